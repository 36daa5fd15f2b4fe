"""The commands that plan and train: run, plan, train."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli.options import (
    AssumeSd,
    Extend,
    File,
    Overrides,
    Rerun,
    RerunChoice,
    RunnerChoice,
    Shared,
    shares,
)
from sweeper.cli.output import load_sweep, news_console, options_given, print_json, results_console
from sweeper.cli.server import confirmed_server, is_of_a_run
from sweeper.errors import Exit, LedgerError, Problem, ScheduleError, UsageError
from sweeper.trial import State

if TYPE_CHECKING:
    from rich.console import Console

    from sweeper.analysis.claims.outlook import ClaimOutlook
    from sweeper.analysis.claims.verdict import Verdict
    from sweeper.execution.run import RunOutcome
    from sweeper.planning.plan import Plan
    from sweeper.reporting.commands import Commands
    from sweeper.spec.sweep import Sweep
    from sweeper.trainer.trainer import Trainer


@shares("results", "as_json", "quiet", "no_color")
def run(
    context: typer.Context,
    file: File,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Plan only.")] = False,
    runner: Annotated[RunnerChoice, typer.Option(help="Ray Tune, or one after the other here.")] = RunnerChoice.ray,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="At most so many packs at once.")] = None,
    address: Annotated[str | None, typer.Option(envvar="RAY_ADDRESS", help="A Ray cluster to use.")] = None,
    rerun: Rerun = None,
    extend: Extend = False,
    take_over: Annotated[bool, typer.Option(help="Take the sweep from a machine that is gone for good.")] = False,
    stored: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Go on with the sweep that is stored there.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why a claim was changed; kept in the ledger.", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Never ask.")] = False,
    *,
    shared: Shared,
) -> None:
    """Plan, train, record, report. Run again, it continues; on an edited file, it trains only what is new."""
    from rich.text import Text

    from sweeper.cli.terminal.progress import Screen
    from sweeper.cli.terminal.summary import finished_json, print_finished, print_next
    from sweeper.execution.options import Options, Runner
    from sweeper.execution.preflight import check
    from sweeper.execution.run import nothing_left, nothing_to_do
    from sweeper.execution.run import run as run_plan
    from sweeper.planning.plan import headline_metrics, summary
    from sweeper.planning.sweep_trainer import find_trainer
    from sweeper.reporting.commands import Commands
    from sweeper.spec.sweep import Notify

    console, results = news_console(shared.no_color), shared.results
    sweep = load_sweep(file, overrides, console)
    commands = Commands(file, overrides or [], results, options_given(context))
    with nullcontext() if dry_run else _continued(sweep.name, commands, console):
        fetched = False
        if stored is not None:
            if dry_run:
                raise UsageError(Problem("--from copies results, and --dry-run writes nothing", "", "--from"))
            sweep = sweep if sweep.storage else load_sweep(file, [*(overrides or []), f"storage={stored}"], console)
            fetched = _fetch(sweep, stored, results, console, take_over=take_over)
        for given, key in ((sweep.notify.command, "notify.command"), (sweep.storage, "storage")):
            if is_of_a_run(file) and given:
                console.print(f"{key} is not used: a results folder names it, which may be from somebody else")
        if is_of_a_run(file):
            sweep = replace(sweep, notify=Notify(), storage="")
        trainer = find_trainer(sweep, results, needed=not dry_run)
        options = Options(results, Runner(runner), address, max_concurrent, take_over, reason, extend)
        plan = make_plan(sweep, trainer, results, rerun, console)
        if dry_run or trainer is None:
            claims = claim_outlooks(plan, results, console)
            cluster = address if runner is RunnerChoice.ray else None
            show_plan(plan, claims, console, shared.as_json, cluster, results, extend=extend)
            return
        check(plan, options, console.print)
        if is_of_a_run(file):
            confirmed_server(sweep, "")
        if not fetched and nothing_left(plan, results):  # MLflow here has nothing of what was trained elsewhere
            finished = nothing_to_do(plan, results)
        else:
            claim_outlooks(plan, results, console)
            if not shared.quiet:
                console.print(Text(f"{sweep.name}: {summary(plan)}"))
            try:
                metrics = headline_metrics(plan, trainer)
                with Screen(console, plan.expected, metrics, shared.quiet, plan.to_run, plan.labels) as screen:
                    finished = run_plan(plan, trainer, options, screen)
            except (ScheduleError, LedgerError) as error:
                raise error.then(f"continue with: {commands.run()}") from error
        verdicts, code = _judged(sweep, results, finished)
        if shared.as_json:
            judged = {"exit_code": int(code), "verdicts": [verdict.as_json() for verdict in verdicts]}
            print_json(finished_json(plan, results, finished) | judged)
        if not shared.quiet:
            print_finished(console, plan, headline_metrics(plan, trainer), finished, commands, verdicts)
        else:
            print_next(console, plan, finished, commands)
        if code:
            raise typer.Exit(code)


@contextmanager
def _continued(name: str, commands: Commands, console: Console) -> Iterator[None]:
    """A signal that comes before a run has begun, or after it has ended, ends the block with what continues it."""
    from sweeper.ledger.paths import SweepDir

    try:
        yield
    except SystemExit:
        if not SweepDir(commands.results, name).ledger.exists():
            console.print("nothing was started yet")
        console.print(f"continue with: {commands.run()}", soft_wrap=True)
        raise


def _fetch(sweep: Sweep, stored: str, results: Path, console: Console, *, take_over: bool) -> bool:
    """Copy what is stored of a sweep into the results folder, if it is more than that has. Raises SweeperError."""
    from sweeper.execution.stored.takeover import pull
    from sweeper.ledger.paths import SweepDir

    if sweep.storage != stored:
        hint = "a sweep goes on in the storage that it is in; change `storage:`, or leave it out of the file"
        raise UsageError(
            Problem("not the storage of the sweep", sweep.place("storage"), "--from", stored, sweep.storage, hint)
        )
    return pull(stored, SweepDir(results, sweep.name), console.print, take_over=take_over)


def _judged(sweep: Sweep, results: Path, finished: RunOutcome) -> tuple[Sequence[Verdict], Exit]:
    """The verdicts on the file's claims, and the exit code with them."""
    if not sweep.claims:
        return (), finished.exit_code
    from sweeper.analysis.claims.verify import judge_run  # here: the statistics take a second to import

    return judge_run(sweep, results, finished.exit_code)


@shares("results", "as_json", "no_color")
def plan(
    file: File,
    overrides: Overrides = None,
    rerun: Rerun = None,
    extend: Extend = False,
    assume_sd: AssumeSd = None,
    *,
    shared: Shared,
) -> None:
    """What `run` would do, and what it would cost. Trains nothing."""
    from sweeper.planning.sweep_trainer import find_trainer

    console = news_console(shared.no_color)
    sweep = load_sweep(file, overrides, console)
    trainer = find_trainer(sweep, shared.results, needed=False)
    planned = make_plan(sweep, trainer, shared.results, rerun, console)
    claims = claim_outlooks(planned, shared.results, console, assume_sd)
    show_plan(planned, claims, console, shared.as_json, os.environ.get("RAY_ADDRESS"), shared.results, extend=extend)


@shares("no_color")
def train(
    file: File,
    overrides: Overrides = None,
    pdb: Annotated[bool, typer.Option("--pdb", help="Enter the debugger where the trainer raises.")] = False,
    *,
    shared: Shared,
) -> None:
    """Train one trial, the file's first, here in this process: no Ray, nothing recorded. For debugging."""
    from tempfile import TemporaryDirectory

    from sweeper.cli.terminal.live_curves import Curves, file_table, outcome_text
    from sweeper.execution import single_trial
    from sweeper.planning.plan import headline_metrics, make
    from sweeper.planning.sweep_trainer import find_trainer

    console = news_console(shared.no_color)
    sweep = load_sweep(file, overrides, console)
    trainer = find_trainer(sweep, Path(os.devnull), needed=True)
    assert trainer is not None, "needed, so found or refused"
    made = make(sweep, trainer, Path(os.devnull))
    if not made.items:
        raise UsageError(Problem("the file has no trial to train", str(file)))
    trial = made.items[0].trial
    metrics = headline_metrics(made, trainer)
    console.print(f"{trial.name}  (the first of {len(made.items)} trials)")
    curves = Curves(console, metrics, made.labels)
    with TemporaryDirectory() as folder:
        job = single_trial.job_of(made, trainer, Path(folder))
        if pdb:
            _debug(lambda: single_trial.train_and_raise(job))
            return
        with curves.shown():
            ended = single_trial.train(job, curves.push)
        for path in sorted(Path(folder).glob("*.csv")):
            console.print(file_table(path))
    if isinstance(ended, Exit):
        raise typer.Exit(ended)
    console.print(outcome_text(ended, metrics))
    if ended.state is State.FAILED:
        raise typer.Exit(Exit.TRIALS_FAILED)


def _debug(call: Callable[[], None]) -> None:
    import pdb

    try:
        call()
    except Exception:
        import traceback

        traceback.print_exc()
        pdb.post_mortem()
        raise typer.Exit(Exit.TRIALS_FAILED) from None


def make_plan(
    sweep: Sweep, trainer: Trainer | None, results: Path, rerun: RerunChoice | None, console: Console
) -> Plan:
    from sweeper.cli.terminal.console import print_problems
    from sweeper.planning.plan import make
    from sweeper.planning.planned_trial import Rerun

    made = make(sweep, trainer, results, Rerun(rerun) if rerun else Rerun.NOTHING)
    print_problems(console, made.warnings, "warning")
    return made


def claim_outlooks(
    plan: Plan, results: Path, console: Console, assume_sd: float | None = None
) -> Sequence[ClaimOutlook]:
    """What the plan can do for its claims; those that can never pass are warned of."""
    if not plan.sweep.claims:
        return ()
    from sweeper.analysis.claims.outlook import outlooks, warnings_of  # here: the statistics take a second to import
    from sweeper.cli.terminal.console import print_problems

    found = outlooks(plan, results, assume_sd)
    print_problems(console, warnings_of(plan, found), "warning")
    return found


def show_plan(
    plan: Plan,
    claims: Sequence[ClaimOutlook],
    console: Console,
    as_json: bool,
    address: str | None,
    results: Path,
    *,
    extend: bool = False,
) -> None:
    """Print a plan, and after it why a run would be refused: exit code 2 then."""
    from sweeper.cli.terminal.console import print_problems
    from sweeper.cli.terminal.plan import plan_json, print_plan
    from sweeper.execution.preflight import refusals

    if as_json:
        print_json(plan_json(plan) | {"claims": [one.as_json() for one in claims]})
    else:
        print_plan(results_console(console.no_color), plan, claims)
    if problems := refusals(plan, address, results, extend=extend):
        print_problems(console, problems)
        raise typer.Exit(Exit.USAGE)
