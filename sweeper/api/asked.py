"""`sweeper.open`: the trials of a sweep, one after the other, for a loop that trains them itself."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from sweeper.api.calls import RunResults, planned_for, shown, with_verdicts
from sweeper.api.inputs import Overrides, SweepLike, TrainerLike, load
from sweeper.api.leaving import LoopExit, exception_that_left, noted_interrupts
from sweeper.api.loop_code import loop_name, loop_trainer, users_frame
from sweeper.devices import device_name
from sweeper.errors import Exit, Problem, UsageError
from sweeper.execution.display import Display
from sweeper.execution.options import Options, Runner
from sweeper.execution.preflight import check
from sweeper.execution.run import RunOutcome, nothing_left, nothing_to_do, opened
from sweeper.execution.runner import InProcessDriver, Pack, offered_packs
from sweeper.execution.session import Session
from sweeper.execution.worker.attempt import LOG, Attempt, Stopped
from sweeper.execution.worker.isolation import seeded
from sweeper.execution.worker.output_capture import captured
from sweeper.execution.worker.reasons import log
from sweeper.execution.worker.single import AttemptCheckpoint
from sweeper.planning.plan import Plan
from sweeper.spec.sweep import Retry, Sweep
from sweeper.trainer.given import LOOP
from sweeper.trainer.trainer import Trainer
from sweeper.trial import Cause, State, Value


class AskedTrial:
    """A trial that a loop trains.

    `params` are its settings and "seed", as a trainer gets them; `seed` is that seed, from which the global generators
    of random, numpy and torch begin; `name` is what people read; `folder` is for its files. `checkpoint.load()` returns
    what an earlier attempt saved, (tensors, data), or None; `checkpoint.save(step, tensors, data)` returns False where
    the trial is to stop.
    """

    def __init__(self, attempt: Attempt, name: str) -> None:
        self._attempt = attempt
        self.name = name
        self.key = attempt.job.trial
        self.params: dict[str, Value] = copy.deepcopy(attempt.job.params)
        self.seed = int(str(self.params["seed"]))
        self.folder: Path = attempt.job.directory
        self.checkpoint = AttemptCheckpoint(attempt)

    def __repr__(self) -> str:
        return f"<trial {self.key}: {self.name}>"

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Record metrics of a step, a whole number from 0. Steps ascend; more of one step are added to it.

        False: the trial is over, because it was pruned, diverged (a goal is not finite) or was stopped: go on with the
        next one. What is reported of it later is left out. Raises ContractError for what no table could hold.
        """
        if self._attempt.is_going:
            try:
                self._attempt.report(step, metrics)
            except (Stopped, FloatingPointError) as error:
                self._end_by(error)
        return self._attempt.is_going

    def finish(self, metrics: Mapping[str, float] | None = None) -> None:
        """The trial is done, with these as its final metrics; by itself it ends so with the last ones reported."""
        if self._attempt.is_going:
            with captured(self.folder / LOG), self._attempt.outcome():
                self._attempt.finish(metrics)

    def _end_by(self, error: BaseException) -> None:
        with captured(self.folder / LOG):
            self._attempt.end_by(error)

    def _left(self, left: LoopExit | None) -> None:
        """The loop was left in the middle of this trial: by an error it failed, by all else it can be resumed."""
        attempt = self._attempt
        if left is None or left.is_interrupt:
            attempt.is_going = False
        elif left.error is not None:
            left.error.__traceback__ = left.error.__traceback__ or left.trace
            self._end_by(left.error)
        else:
            with captured(self.folder / LOG):
                log(left.text())
                attempt.end(State.FAILED, left.reason(), attempt.metrics, Cause.EXCEPTION)
            left.when_known(self._log)

    def _log(self, text: str) -> None:
        with captured(self.folder / LOG):
            log(text)


class TrialLoop:
    """The trials of a sweep that have no result yet, to be iterated over once; `results` afterwards."""

    def __init__(self, sweep: Sweep, options: Options, rerun: str | None, quiet: bool, display: Display | None) -> None:
        self._sweep, self._options, self._rerun = sweep, options, rerun
        self._quiet, self._display = quiet, display
        self._outcome: RunOutcome | None = None

    def __iter__(self) -> Iterator[AskedTrial]:
        frame = users_frame(sys._getframe(1))
        sweep, options = self._sweep, self._options
        own = loop_trainer(str(sweep.trainer), frame) if str(sweep.trainer).startswith(LOOP) else None
        plan, trainer = planned_for(sweep, options.results, self._rerun, needed=True, found=own)
        assert trainer is not None, "needed, so found or refused"
        check(plan, options)
        return self._trials(plan, trainer, frame)

    @property
    def results(self) -> RunResults:
        """The results, as `sweeper.run` returns them. Raises UsageError before the loop."""
        if self._outcome is None:
            raise UsageError(Problem("the loop over the trials has not ended yet", self._sweep.name))
        return with_verdicts(self._sweep, self._options.results, self._outcome)

    def _trials(self, plan: Plan, trainer: Trainer, frame: FrameType) -> Iterator[AskedTrial]:
        results, interrupt = self._options.results, None
        if nothing_left(plan, results):
            self._outcome = nothing_to_do(plan, results)
            return
        alone = replace(plan, sweep=_one_by_one(plan.sweep))
        with shown(plan, trainer, self._display, self._quiet, live=False) as screen, noted_interrupts():
            with opened(alone, trainer, self._options, screen, signals=False) as under_way:
                try:
                    yield from _asked(under_way.session, frame, trainer.name)
                except GeneratorExit:
                    pass
                except KeyboardInterrupt as error:  # between two trials
                    under_way.session.stop.start_nothing(Exit.INTERRUPTED, "interrupted")
                    interrupt = error
            self._outcome = under_way.outcome
        if interrupt is not None:
            raise interrupt


def _asked(session: Session, frame: FrameType, trainer: str) -> Iterator[AskedTrial]:
    for pack in offered_packs(session):
        trial = _begun(session, pack, trainer)
        if not trial._attempt.is_going:  # its data changed
            continue
        try:
            with seeded(trial.seed):
                yield trial
        except GeneratorExit:  # the loop was left
            trial._left(exception_that_left(frame))
            session.stop.start_nothing(Exit.INTERRUPTED, "the loop was left")
            session.closed(pack.number)
            return
        trial.finish()


def _begun(session: Session, pack: Pack, trainer: str) -> AskedTrial:
    job = pack.jobs[0]
    attempt = Attempt(job, InProcessDriver(session, pack.number))
    with captured(job.directory / LOG):
        log(f"attempt {job.attempt}, trained by {trainer}: what it prints is there")
    attempt.start(device_name())
    return AskedTrial(attempt, session.records[job.trial].trial.name)


def _one_by_one(sweep: Sweep) -> Sweep:
    """A loop trains one trial after the other, and an exception ends it: nothing tries a trial again by itself."""
    return replace(sweep, resources=replace(sweep.resources, pack=1), retry=Retry(0))


def open(
    sweep: SweepLike, results: str | Path = "results", *, overrides: Overrides | None = None,
    trainer: TrainerLike | None = None, rerun: str | None = None, extend: bool = False, reason: str = "",
    quiet: bool = False, display: Display | None = None, **settings: Any,
) -> TrialLoop:  # fmt: skip
    """The trials of a sweep that have no result yet, for a loop of your own that trains them.

    `sweep` is a file or a mapping, without `trainer`.

    >>> goal = {"name": "loss", "goal": "minimize"}
    >>> space = {"name": "mine", "metric": goal, "parameters": {"width": {"values": [1, 2]}}}
    >>> trials = open(space, quiet=True)
    >>> for trial in trials:
    ...     for step in range(1, 4):
    ...         if not trial.report(step, {"loss": trial.params["width"] / step}):
    ...             break  # pruned, diverged or stopped: the next one
    >>> trials.results.trials[["width", "state", "steps"]].values.tolist()
    [[1, 'completed', 3], [2, 'completed', 3]]

    The arguments are those of `sweeper.run`, and so are ledger, lock, search, pruning and MLflow. A trial ends where
    the loop takes the next one: with the last metrics that it reported, or those of `trial.finish(metrics)`. Run again,
    the loop goes on with what has no result. An exception that leaves the body makes the trial failed, with its
    traceback in `trial.folder / "log.txt"` (FloatingPointError: diverged, as of a trainer); before Python 3.12 the
    reason names one raised in C, as by 1 / 0, by its place only. After Ctrl-C, `break` or `return` the trial is
    pending: it is asked again, and goes on from its checkpoint if it saved one.

    The trainer in a trial's key is the loop: the syntax trees of the body of its `for` statement and of the functions,
    classes and modules of yours that it uses, directly or not, and the values, at the beginning, of the variables from
    before the loop that it reads. So the space and what stands around the loop may change; after a change of what
    trains, earlier results are `stale` (kept and shown, trained again with `rerun="stale"`). What the body binds itself
    does not count: carry nothing from one trial to the next. With `trainer`, a function or its name, you declare that
    the loop trains what that function would, and the results are filed as its own.

    Raises SweeperError as `sweeper.run` does, where the sweep names a trainer (declare it), and where code or values
    cannot be known: the loop is typed at a prompt, its file was edited since, a variable is an open file.
    """
    name = loop_name(users_frame(sys._getframe(1)))
    named = load(sweep, overrides, trainer, settings)
    if trainer is None:
        if named.trainer is not None:
            hint = "take `trainer` out of it, or declare that the loop trains the same: trainer=..."
            message = "the code of the loop is what trains, and the sweep names another trainer"
            raise UsageError(Problem(message, named.place("trainer"), "trainer", named.trainer, hint=hint))
        named = load(sweep, overrides, name, settings)
    options = Options(Path(results).absolute(), Runner.INPROCESS, None, None, reason=reason, extend=extend)
    return TrialLoop(named, options, rerun, quiet, display)
