"""Packs on Ray Tune: each pack is one Tune trial in a reused worker process, whose side is worker.py.

Tune's parts are used as they are meant: a Searcher hands packs out, a Trainable runs one, a Callback receives what it
reports, a Stopper ends it all. Tune's own retries, checkpoints, loggers and reporters stay off: those jobs are the
ledger's.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from sweeper.devices import check_cpus, gpu_share
from sweeper.errors import Problem, ScheduleError, SweeperError
from sweeper.execution.ray_tune import kept_events
from sweeper.execution.ray_tune.worker import PackTrainable
from sweeper.execution.runner import Orders, Pack, PackResources, Source
from sweeper.trainer.module_names import users_folders
from sweeper.trainer.planned_source import PlannedSource
from sweeper.trial import Cause, Event

NO_MEMORY = "running low on memory"
WHY_LOST = {  # Ray's reason, and the text of ours
    NO_MEMORY: "out of memory: the node's memory was full, and Ray ended the worker",
    "node has died": "the node was lost",
    "worker process has died": "the worker process died (killed, or a crash below Python; see the log)",
}


def run_packs(
    source: Source,
    share: PackResources,
    code: PlannedSource,
    storage: Path,
    show_activity: Callable[[str], None],
    *,
    grows: bool,
) -> bool:
    """Run packs on the Ray that is connected; False when Tune broke off although there is more to do.

    `grows` means that it may get further machines: one pack more than fits then waits for them, as Ray expects.
    Tune takes a worker that Ray ended because memory was full for an error of its own, and raises.
    """
    gpus, fitting = _fitting(share)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(fitting)  # else the second pack waits until the first one trains
    searcher = PackSearcher(source, fitting, None if grows else fitting)  # the source keeps to max_concurrent
    callback = PackCallback(source, lambda: show_activity(f"starting workers: {len(callback.workers)} of {fitting}"))
    show_activity(f"starting workers: 0 of {fitting}")
    try:
        trainable = tune.with_parameters(PackTrainable, code=dict(code))
        trainable = tune.with_resources(trainable, {"cpu": share.cpu, "gpu": gpus})
        _tune(source, trainable, storage, searcher, callback)
    except Exception as error:
        if ours := _of_ours(error):
            raise ours from error
        if NO_MEMORY not in str(error):
            raise ScheduleError(Problem(f"Ray Tune broke: {type(error).__name__}: {error}"[:500])) from error
        for pack in searcher.running.values():
            if pack.number not in callback.closed:
                callback.recover(pack.number)
                source.lost(pack.number, WHY_LOST[NO_MEMORY], Cause.OUT_OF_MEMORY)
                source.closed(pack.number)
        return False
    return True


def lighten_tune() -> None:
    """Take from Tune (2.60) two things that it does for others and that cost seconds at every start.

    It requests PL_DISABLE_FORK=1 in the environment of its workers in a way that only a worker started for the purpose
    fulfils: those that Ray started ahead of time stay idle. On a Ray of our own every process has it anyway.
    To count callbacks for Ray's statistics, which are off, it imports MLflow. A Ray that has these elsewhere starts as
    slowly as it does by itself.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from ray.tune.execution import class_cache

        class_cache.DEFAULT_ENV_VARS.clear()
    with contextlib.suppress(ImportError):
        from ray.air._internal import usage

        usage.tag_callbacks = lambda callbacks: False


def _fitting(share: PackResources) -> tuple[float, int]:
    """The GPUs of a pack, and how many packs fit. Raises UsageError when no machine can take one."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores, cards = ([float(node.get(kind, 0)) for node in nodes] for kind in ("CPU", "GPU"))
    gpus = gpu_share(share.gpu, max(cards), share.place)
    check_cpus(share.cpu, max(cores), share.place)
    fits = (min(c // share.cpu, g // gpus if gpus else c) for c, g in zip(cores, cards, strict=True))
    return gpus, max(1, int(sum(fits)))


def _tune(source: Source, trainable: Any, storage: Path, searcher: PackSearcher, callback: PackCallback) -> None:
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.trial_id),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="packs",
            storage_path=str(storage),
            verbose=0,
            callbacks=[callback],
            stop=StopOnCancel(source),
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    tuner.fit()


class _StaysHere:
    """Tune copies and pickles its parts for a restore that never comes; ours hold open files and stay in the driver."""

    def __deepcopy__(self, memo: object) -> _StaysHere:
        return self

    def __getstate__(self) -> dict[str, object]:
        return {}


class PackSearcher(_StaysHere, Searcher):  # type: ignore[misc]
    """Hands the source's packs to Tune: as many as are `fitting`, then one at a time ahead, never more than `most`."""

    def __init__(self, source: Source, fitting: int, most: int | None) -> None:
        super().__init__()
        self.source = source
        self.fitting, self.most = fitting, most
        self.here = {"folder": str(Path.cwd()), "path": users_folders()}  # a worker's start may be elsewhere
        self.running: dict[str, Pack] = {}
        self.begun: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        if self.source.is_done():
            return Searcher.FINISHED
        offered = self.source.next_pack() if self._has_capacity() else None
        if offered is None:
            return None
        self.running[trial_id] = offered
        return {"pack": offered, **self.here}

    def _has_capacity(self) -> bool:
        if self.most is not None and len(self.running) >= self.most:
            return False
        return len(self.running) < self.fitting or self.begun >= self.running.keys()

    def on_trial_result(self, trial_id: str, result: object) -> None:
        self.begun.add(trial_id)

    def on_trial_complete(self, trial_id: str, result: object = None, error: bool = False) -> None:
        self.running.pop(trial_id, None)

    def set_search_properties(self, *_: object, **__: object) -> bool:
        return True

    def save(self, checkpoint_path: str) -> None:
        """Nothing: there is no restore mode."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the only truth."""


class PackCallback(_StaysHere, tune.Callback):  # type: ignore[misc]
    """Tells the source, in the driver, what the workers sent and which packs are over or lost, and the workers what
    the source orders."""

    def __init__(self, source: Source, begun: Callable[[], None] = lambda: None) -> None:
        self.source = source
        self.begun = begun  # called when a pack's worker has begun
        self.workers: dict[int, Any] = {}
        self.ordered: dict[int, Orders] = {}
        self.received: Counter[int] = Counter()  # events, by pack
        self.closed: set[int] = set()

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        number = trial.config["pack"].number
        if "handle" in result:
            self.workers[number] = ray.cloudpickle.loads(result["handle"])
            self.begun()
        self._record(number, result["events"])
        self.source.progress(result["steps"])
        if not result["done"]:
            self._order(number, result["free"])

    def on_step_end(self, iteration: int, trials: list[Any], **_: Any) -> None:
        for number in self.source.hung():
            if worker := self.workers.pop(number, None):
                ray.kill(worker)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._forget(trial.config["pack"].number)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        reason = _why_lost(trial)
        cause = Cause.OUT_OF_MEMORY if reason == WHY_LOST[NO_MEMORY] else Cause.LOST
        number = trial.config["pack"].number
        self.recover(number)
        self.source.lost(number, reason, cause)
        self._forget(number)

    def recover(self, number: int) -> None:
        """Record what a pack whose process is gone sent last: a trial that had ended is not lost with the others."""
        self._record(number, kept_events.lost_events(number, self.received[number]))

    def _record(self, number: int, events: Sequence[Event]) -> None:
        self.received[number] += len(events)
        for event in events:
            self.source.record(event)

    def _order(self, number: int, free: int | None) -> None:
        jobs = None if free is None else tuple(self.source.more(number, free))
        orders = Orders(dict(self.source.verdicts(number)), self.source.is_stopping(), jobs)
        if jobs is not None or orders != self.ordered.get(number, Orders()):
            self.workers[number].deliver.remote(orders)
            self.ordered[number] = replace(orders, jobs=None)

    def _forget(self, number: int) -> None:
        self.workers.pop(number, None)
        self.ordered.pop(number, None)
        self.received.pop(number, None)
        kept_events.forget(number)
        self.closed.add(number)
        self.source.closed(number)


class StopOnCancel(_StaysHere, tune.Stopper):  # type: ignore[misc]
    """Ends everything when the source is cancelled."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return self.source.is_cancelled()

    def stop_all(self) -> bool:
        return self.source.is_cancelled()


def _why_lost(trial: Any) -> str:
    """One line from Ray's report of a dead worker (many lines of advice); its ray.log has all of it."""
    try:
        message = Path(trial.error_file).read_text(errors="replace")
    except (OSError, TypeError):
        message = ""
    return next(
        (reason for text, reason in WHY_LOST.items() if text in message), " ".join(message.split())[-300:] or "lost"
    )


def _of_ours(error: BaseException | None) -> SweeperError | None:
    """The error of ours that Tune wrapped, if there is one."""
    while error is not None:
        if isinstance(error, SweeperError):
            return error
        error = error.__cause__ or error.__context__
    return None
