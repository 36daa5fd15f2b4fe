"""`sweeper run`: a plan becomes results. Opens the ledger, the mirror and the screen, and lets a runner do the work."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from sweeper import provenance
from sweeper.cli.terminal import console as screens
from sweeper.devices import check_cpus, cpus_here, gpu_share, gpus_here
from sweeper.errors import Exit, LedgerError, Problem, ScheduleError, UsageError
from sweeper.execution.runner import Share, Source, run_in_process
from sweeper.execution.session import Session
from sweeper.execution.signals import interruptible
from sweeper.ledger import ledger
from sweeper.ledger.ledger import History, Ledger, SweepDir
from sweeper.planning.plan import Fate, Plan
from sweeper.planning.trial_factory import Family
from sweeper.search.proposals import Proposals
from sweeper.search.pruner import Pruner
from sweeper.search.searcher import check as check_search
from sweeper.spec.load import ADAPTIVE, Sweep
from sweeper.tracking.inputs import mirror_input, tracking_uri
from sweeper.tracking.mirror import Mirror
from sweeper.tracking.trial_run import Mirrored
from sweeper.trainer import BUNDLED, Trainer
from sweeper.trial import Record, State

MIRROR_GRACE_S = 30.0  # how long the end of a run waits for MLflow; what is missing then, `sweeper sync` writes


class Runner(StrEnum):
    """Who runs packs."""

    RAY = "ray"
    INPROCESS = "inprocess"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to a sweep file."""

    results: Path
    runner: Runner
    address: str | None
    max_concurrent: int | None
    quiet: bool
    again: str = ""  # the command that continues
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended: exit code, why it stopped early ("" if it did not), how many trials it trained, all records."""

    exit_code: Exit
    why: str
    trained: int
    records: Sequence[Record]
    mirrored: Mirrored
    seconds: float


def check(sweep: Sweep, options: Options) -> None:
    """Everything that can be known to fail before anything is created or started. Raises SweeperError."""
    if sweep.method in ADAPTIVE:
        check_search(sweep)
    if options.runner is Runner.RAY and options.address:
        _check_reachable(options.address)
    else:
        gpu_share(sweep.resources.gpu, gpus_here(), sweep.place("resources.gpu"))
        check_cpus(sweep.resources.cpu, cpus_here(), sweep.place("resources.cpu"))
    _check_writable(options.results / sweep.name)


def run(plan: Plan, trainer: Trainer, options: Options, console: Console) -> Finished:
    """Train what the plan has to run, on Ray or in this process; every outcome is in the ledger when this returns."""
    began = time.monotonic()
    sweep_dir = SweepDir(options.results, plan.sweep.name)
    made = {**provenance.session(provenance.command_line()), "metrics": list(trainer.metrics or ())}
    made["data"] = provenance.data_digests(trainer.data)
    with Ledger(sweep_dir, take_over=options.take_over) as book:
        if book.found_bytes != plan.ledger_bytes:
            hint = "run the same command again"
            raise LedgerError(
                Problem("another run wrote to it since this one was planned", str(sweep_dir.ledger), hint=hint)
            )
        made["patch"] = _keep_patch(sweep_dir) if str(made["commit"]).endswith("-dirty") else ""
        history = ledger.read(sweep_dir, curves=True)
        mirror = Mirror(*mirror_input(plan.sweep, sweep_dir, made))
        records: dict[str, Record] = {}
        metrics = headline_metrics(plan, trainer)
        screen = screens.Screen(console, _total(plan), metrics, options.quiet)
        proposals = Proposals(plan.sweep, Family.of(plan.sweep, trainer)) if plan.sweep.method in ADAPTIVE else None
        watchers = (screen, mirror)
        pruner, commit = Pruner.of(plan.sweep, history.records.values()), str(made["commit"])
        rules = (proposals, pruner, mirror.finish)
        session = Session(plan, book, trainer, commit, history, watchers, screen.say, records, *rules)
        mirror.start(_already_known(plan, history))

        def interrupt(code: Exit) -> None:
            session.interrupt(code)
            if session.is_cancelled() or not session.running:
                mirror.hurry()

        with interruptible(interrupt):
            with screen:
                session.begin(plan.sweep.text, made)
                _work(session, plan, trainer, options, lambda error: _die(error, options, console))
            mirrored = mirror.close(MIRROR_GRACE_S)
            code = session.end()
            book.stop(code, tracking_uri(plan.sweep, options.results) if mirrored.is_whole else "")
    return Finished(
        code, session.why_stopped, session.trained, list(records.values()), mirrored, time.monotonic() - began
    )


def nothing_to_do(plan: Plan, results: Path) -> Finished:
    """How a run ends whose trials all have a result already: nothing is opened, started or written."""
    known = ledger.read(SweepDir(results, plan.sweep.name))
    records = [known.records[item.trial.key] for item in plan.items]
    code = Exit.TRIALS_FAILED if any(record.state is State.FAILED for record in records) else Exit.OK
    return Finished(code, "", 0, records, Mirrored(len(records), 0, ""), 0.0)


def finished_json(plan: Plan, results: Path, finished: Finished) -> dict[str, object]:
    """How a run ended, as the document that `run --json` prints."""
    states = Counter(str(record.state) for record in finished.records)
    return {
        "sweep": plan.sweep.name,
        "exit_code": int(finished.exit_code),
        "stopped": finished.why,
        "trials": len(finished.records),
        "trained": finished.trained,
        "states": dict(states),
        "seconds": round(finished.seconds, 3),
        "results": str(results / plan.sweep.name),
        "mlflow": {
            "runs": finished.mirrored.runs,
            "behind": finished.mirrored.behind,
            "overviews_behind": finished.mirrored.overviews,
            "error": finished.mirrored.error,
        },
    }


def is_mirrored(sweep: Sweep, results: Path) -> bool:
    """Whether the last run of the sweep left its MLflow mirror complete."""
    runs = ledger.read(SweepDir(results, sweep.name)).runs
    stopped: Mapping[str, object] = runs[-1].get("stopped", {}) if runs else {}
    return stopped.get("mirror") == tracking_uri(sweep, results)


def headline_metrics(plan: Plan, trainer: Trainer) -> list[str]:
    """The metrics worth a column: the goals, those of constraints, then the first three that the trainer declares."""
    goals, declared = (goal.name for goal in plan.sweep.goals), list(trainer.metrics or ())[:3]
    kept = (name for constraint in plan.sweep.constraints for name in constraint.names)
    return list(dict.fromkeys([*goals, *kept, *declared]))


def _die(error: ScheduleError, options: Options, console: Console) -> None:
    """End this process here and now, from any thread: every event is in the ledger already."""
    screens.print_problems(console, error.then(f"continue with: {options.again}").problems)
    os._exit(error.exit_code)


def _work(source: Source, plan: Plan, trainer: Trainer, options: Options, die: Callable[[ScheduleError], None]) -> None:
    resources = plan.sweep.resources
    if source.is_done():
        return
    if options.runner is Runner.INPROCESS:
        if resources.gpu == 0:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        run_in_process(source)
        return
    from sweeper.execution.ray_tune.cluster import run_on_ray  # here, not above: importing Ray takes half a second

    at_once = options.max_concurrent or resources.max_concurrent
    share = Share(resources.cpu, resources.gpu, plan.sweep.place("resources"), at_once)
    folder = SweepDir(options.results, plan.sweep.name).folder.resolve()
    run_on_ray(source, share, options.address, folder, die, _worth_importing(trainer))


def _worth_importing(trainer: Trainer) -> list[str]:
    """What takes long to import and can be imported anywhere: a module of the user's own may look at its devices."""
    if trainer.name in BUNDLED:
        return [trainer.target.partition(":")[0]]
    return ["torch"] if "torch" in sys.modules else []


def _keep_patch(sweep_dir: SweepDir) -> str:
    """Write down what differs from the commit; returns the name of the patch."""
    text = provenance.patch(Path.cwd())
    name = provenance.digest(text) if text else ""
    if name and not sweep_dir.patch(name).exists():
        sweep_dir.patch(name).parent.mkdir(exist_ok=True)
        ledger.replace_file(sweep_dir.patch(name), text)
    return name


def _total(plan: Plan) -> int:
    """How many trials the run will end, as far as that is known."""
    planned = len(plan.of(Fate.RUN, Fate.REUSED))
    budget = plan.sweep.budget.trials
    return planned if plan.complete or budget is None else planned + max(budget - len(plan.items), 0)


def _already_known(plan: Plan, history: History) -> list[Record]:
    keys = (item.trial.key for item in plan.items)
    return [history.records[key] for key in keys if key in history.records]


def _check_reachable(address: str) -> None:
    """Refuse a cluster that nobody answers for: Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, `local`: Ray's own words
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        hint = "start one with `ray start --head`, or leave --address and RAY_ADDRESS out"
        raise UsageError(Problem(f"no Ray cluster answers: {error}", "--address", found=address, hint=hint)) from None


def _check_writable(folder: Path) -> None:
    """Refuse a results folder that cannot be written, before anything is made."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise LedgerError(Problem("the results folder cannot be made", str(folder), found=f"{existing} is a file"))
    if not os.access(existing, os.W_OK | os.X_OK):
        hint = "name another folder with --results"
        raise LedgerError(Problem("the results folder cannot be written", str(existing), hint=hint))
