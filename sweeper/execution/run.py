"""A plan becomes results: opens the ledger and the mirror, and lets a runner do the work. Prints nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sweeper import provenance
from sweeper.errors import Exit, LedgerError, Problem, UsageError
from sweeper.execution.budgets import Budgets
from sweeper.execution.display import Display
from sweeper.execution.event_log import EventLog, Watcher
from sweeper.execution.options import Options, Runner
from sweeper.execution.queue import JobQueue
from sweeper.execution.runner import PackResources, Source, run_in_process
from sweeper.execution.seed_batches import SeedBatches
from sweeper.execution.session import Session
from sweeper.execution.signals import interruptible
from sweeper.execution.steering.inbox import Inbox
from sweeper.execution.steering.notices import Notices
from sweeper.execution.stop_state import StopState
from sweeper.execution.stored.leftovers import tidy
from sweeper.execution.stored.sweep_copy import copied, is_stored
from sweeper.ledger.atomic import replace_file
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.live_steps import LiveStepsFile
from sweeper.ledger.paths import SweepDir
from sweeper.planning.plan import Plan, absent_metrics, file_of
from sweeper.planning.trial_factory import TrialFactory
from sweeper.reporting.attachments import SweepAttachments
from sweeper.search.proposals import Proposals
from sweeper.search.pruner import Pruner
from sweeper.spec.sweep import ADAPTIVE, Sweep
from sweeper.tracking import named_stores
from sweeper.tracking.inputs import mirror_input, shown_uri
from sweeper.tracking.mirror import Mirror
from sweeper.tracking.trial_run import Mirrored
from sweeper.trainer import planned_source
from sweeper.trainer.loading import BUNDLED
from sweeper.trainer.trainer import Trainer
from sweeper.trial import Record, State

MIRROR_GRACE_S = 30.0  # how long the end of a run waits for MLflow; what is missing then, `sweeper sync` writes


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: exit code, why it stopped early ("" if it did not), how many trials it trained, all records."""

    exit_code: Exit
    why: str
    trained: int
    records: Sequence[Record]
    mirrored: Mirrored
    seconds: float


@dataclass(slots=True)
class RunUnderWay:
    """A run that has begun; `outcome` is there once it is over."""

    session: Session
    outcome: RunOutcome | None = None


def run(plan: Plan, trainer: Trainer, options: Options, display: Display) -> RunOutcome:
    """Train what the plan has to run, on Ray or in this process; every outcome is in the ledger when this returns."""
    options = replace(options, results=options.results.absolute())  # a trainer may change the current folder
    with opened(plan, trainer, options, display) as under_way:
        _work(under_way.session, plan, trainer, options, display)
    assert under_way.outcome is not None, "it is over"
    return under_way.outcome


@contextlib.contextmanager
def opened(
    plan: Plan, trainer: Trainer, options: Options, display: Display, *, signals: bool = True
) -> Iterator[RunUnderWay]:
    """A run whose trials the block trains. With `signals` these stop it; without, the block looks after them."""
    began = time.monotonic()
    _use_code(plan, trainer)
    sweep_dir = SweepDir(options.results, plan.sweep.name)
    made = {**provenance.session(provenance.command_line()), **_described(plan, trainer, options)}
    with Notices(plan.sweep, sweep_dir.folder, display.show) as notices:
        with Ledger(sweep_dir, take_over=options.take_over) as book, contextlib.ExitStack() as stack:
            _check_unchanged(book, plan)
            made |= _keep_patch(sweep_dir, made["commit"])
            _keep_tables(plan.sweep, sweep_dir)
            history = read_history(sweep_dir, curves=True)
            history.describe(item.trial for item in plan.items)
            copies = copied(plan.sweep, sweep_dir, history, display.show, take_over=options.take_over)
            watchers: tuple[Watcher, ...] = (display, notices, *stack.enter_context(copies))
            named_stores.remember(plan.sweep.tracking.uri)
            mirror, attachments = Mirror(*mirror_input(plan.sweep, sweep_dir, made)), SweepAttachments(sweep_dir)
            steps = stack.enter_context(LiveStepsFile(sweep_dir))
            log = EventLog(book, {}, (*watchers, steps, mirror), display.show_step, steps.reach)
            session = _session(plan, trainer, options, display, log, history, str(made["commit"]), notices)
            session.when_done = lambda: mirror.finish(attachments)
            mirror.start(_already_known(plan, history))

            def interrupt(code: Exit) -> None:
                session.interrupt(code)
                if session.is_cancelled() or not session.active:
                    mirror.hurry()

            with interruptible(interrupt) if signals else contextlib.nullcontext():
                session.begin(made, history)
                under_way = RunUnderWay(session)
                with Inbox(session, display.show):
                    yield under_way
                    display.show_activity("writing to MLflow")
                    mirror.finish(attachments)
                    mirrored = mirror.close(MIRROR_GRACE_S)
                code = session.end()
                book.stop(code, shown_uri(plan.sweep, options.results) if mirrored.is_whole else "")
        trained, records = session.budgets.trained, list(log.records.values())
        under_way.outcome = RunOutcome(code, session.stop.why, trained, records, mirrored, time.monotonic() - began)
        if plan.sweep.storage and plan.sweep.checkpoints.keep == "none" and (problem := tidy(plan.sweep, records)):
            display.show(problem)
        notices.ended(code, session.stop.why, records)


def _session(
    plan: Plan,
    trainer: Trainer,
    options: Options,
    display: Display,
    log: EventLog,
    history: History,
    commit: str,
    notices: Notices,
) -> Session:
    book, most = log.ledger, options.max_concurrent or plan.sweep.resources.max_concurrent
    searched = plan.sweep.method in ADAPTIVE
    proposals = Proposals(plan.sweep, TrialFactory.of(plan.sweep, trainer), display.show) if searched else None
    return Session(
        queue=JobQueue(plan, trainer, book, commit, log.records, proposals),
        log=log,
        budgets=Budgets(plan.sweep),
        stop=StopState(display.show),
        pruner=Pruner.of(plan.sweep, history.records.values()),
        batches=SeedBatches.of(plan, trainer, book, history, display.show, notices.decided),
        expect_more=display.expect_more,
        max_concurrent=most,
        most_concurrent=_most_concurrent(most, options),
    )


def nothing_to_do(plan: Plan, results: Path) -> RunOutcome:
    """How a run ends whose trials all have a result already: nothing is opened, started or written."""
    known = read_history(SweepDir(results, plan.sweep.name))
    records = [known.records[item.trial.key] for item in plan.items]
    code = Exit.TRIALS_FAILED if any(record.state is State.FAILED for record in records) else Exit.OK
    return RunOutcome(code, "", 0, records, Mirrored(len(records), 0, ""), 0.0)


def nothing_left(plan: Plan, results: Path) -> bool:
    """Whether every trial has its result, MLflow and the storage too, and the file is the one that was run.

    What cannot be written does not count: a read-only results folder cannot take up that MLflow is complete.
    """
    sweep, folder = plan.sweep, SweepDir(results, plan.sweep.name)
    if not (plan.is_finished and _is_as_run(sweep, folder)):
        return False
    known = read_history(folder)
    if not _are_last_planned(plan, known):
        return False
    return not os.access(folder.folder, os.W_OK) or (_is_mirrored(sweep, results, known) and is_stored(sweep, folder))


def _is_mirrored(sweep: Sweep, results: Path, known: History) -> bool:
    """Whether the last run of the sweep left its MLflow mirror complete."""
    stopped: Mapping[str, object] = known.runs[-1].get("stopped", {}) if known.runs else {}
    is_sound = not (known.is_partial or known.undescribed)  # else the next run writes down anew what damaged lines held
    return is_sound and stopped.get("mirror") == shown_uri(sweep, results)


def _is_as_run(sweep: Sweep, folder: SweepDir) -> bool:
    """Whether the results folder holds the sweep's file as it is now: other claims are news although trials are not."""
    return folder.spec.is_file() and folder.spec.read_text(encoding="utf-8") == sweep.text


def _are_last_planned(plan: Plan, known: History) -> bool:
    """Whether tables and claims, made of the trials of the last run, show those of the plan.

    They do not where code that has results was brought back: these are others than those of the last run.
    """
    return {record.trial.key for record in known.planned()} == {item.trial.key for item in plan.items}


def _described(plan: Plan, trainer: Trainer, options: Options) -> dict[str, object]:
    """What a run registers before it trains, besides where it runs: metrics, data, claims and why one was changed."""
    return {
        "metrics": list(trainer.metrics or ()),
        "absent": {name: why for name, why in absent_metrics(plan.sweep, trainer).items() if "/" not in name},
        "labels": plan.labels.as_declared(),
        "file": file_of(plan.sweep, options.results),
        "data": dict(trainer.data),
        "claims": [claim.keys for claim in plan.sweep.claims],
        "looks": asdict(looks) | {"sizes": looks.sizes} if (looks := plan.sweep.looks) else None,
        "reason": options.reason,
    }


def _most_concurrent(begun_with: int | None, options: Options) -> int | None:
    """How many packs could run at once, whatever is asked for later; None: as many as fit.

    A Ray of our own starts with no more cores than the packs that it begins with need.
    """
    if options.runner is Runner.INPROCESS:
        return 1
    return None if options.address else begun_with


def _work(source: Source, plan: Plan, trainer: Trainer, options: Options, display: Display) -> None:
    resources = plan.sweep.resources
    if source.is_done():
        return
    if options.runner is Runner.INPROCESS:
        display.show_activity("importing the trainer")
        if resources.gpu == 0:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        run_in_process(source)
        return
    from sweeper.execution.ray_tune.cluster import run_on_ray  # here, not above: importing Ray takes half a second

    at_once = options.max_concurrent or resources.max_concurrent
    share = PackResources(resources.cpu, resources.gpu, plan.sweep.place("resources"), at_once)
    folder = SweepDir(options.results, plan.sweep.name).folder.resolve()
    imports = _worth_importing(trainer)
    run_on_ray(source, share, options.address, folder, trainer.source, imports, display.show_activity)


def _use_code(plan: Plan, trainer: Trainer) -> None:
    """Import the trainer's code from here on; results are not filed under another one than that of the plan."""
    if any(trial.code != trainer.code for trial in plan.to_run):
        raise UsageError(
            Problem("the trainer's code or data changed after the plan was made", hint="make the plan again")
        )
    planned_source.use(trainer.source)


def _worth_importing(trainer: Trainer) -> list[str]:
    """What takes long to import and can be imported anywhere: a module of the user's own may look at its devices."""
    if trainer.name in BUNDLED:
        return [trainer.target.partition(":")[0]]
    return ["torch"] if "torch" in sys.modules else []


def _check_unchanged(book: Ledger, plan: Plan) -> None:
    if book.found_bytes != plan.ledger_bytes:
        message, hint = "another run wrote to it since this one was planned", "run the same command again"
        raise LedgerError(Problem(message, str(book.sweep.ledger), hint=hint))


def _keep_tables(sweep: Sweep, sweep_dir: SweepDir) -> None:
    """The reference tables of claims go with the results, from which alone they are read."""
    if sweep.claims:
        from sweeper.analysis.claims.verify import keep_tables  # here: the statistics take a second to import

        keep_tables(sweep.claims, sweep_dir.folder)


def _keep_patch(sweep_dir: SweepDir, commit: object) -> dict[str, object]:
    """Write down what differs from the commit; returns the name of the patch, and the files without their content."""
    if not str(commit).endswith("-dirty"):
        return {"patch": ""}
    text, left_out = provenance.patch(Path.cwd())
    name = provenance.digest(text) if text else ""
    if name and not sweep_dir.patch(name).exists():
        sweep_dir.patch(name).parent.mkdir(exist_ok=True)
        replace_file(sweep_dir.patch(name), text)
    return {"patch": name, "patch_without": left_out}


def _already_known(plan: Plan, history: History) -> list[Record]:
    keys = (item.trial.key for item in plan.items)
    return [history.records[key] for key in keys if key in history.records]
