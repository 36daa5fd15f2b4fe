"""`sweeper.plan` and `sweeper.run`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sweeper.analysis.sweep_results import load_results
from sweeper.api.inputs import Overrides, SweepLike, TrainerLike, load
from sweeper.errors import Exit, Problem, UsageError
from sweeper.execution.display import Display, Silence
from sweeper.execution.options import Options, Runner
from sweeper.execution.preflight import check, refusals
from sweeper.execution.run import RunOutcome, nothing_left, nothing_to_do
from sweeper.execution.run import run as run_plan
from sweeper.planning.plan import Plan, headline_metrics, make, summary
from sweeper.planning.planned_trial import Rerun
from sweeper.planning.sweep_trainer import find_trainer
from sweeper.reporting.notebook import NotebookResults
from sweeper.spec.sweep import Sweep
from sweeper.trainer import given
from sweeper.value_text import plural

if TYPE_CHECKING:
    from sweeper.analysis.claims.verdict import Verdict
    from sweeper.trainer.trainer import Trainer


@dataclass(frozen=True, repr=False)
class RunResults(NotebookResults):
    """The results of a sweep that was run from Python, with how its run ended and what became of its claims.

    `outcome.exit_code` is the one of the command line: BUDGET where a budget was reached, TRIALS_FAILED where some
    trials failed, CLAIM_FAILED where one of the `verdicts` did.
    """

    outcome: RunOutcome
    verdicts: Sequence[Verdict] = ()

    def __repr__(self) -> str:
        return f"<results of {self.name}: {self.outcome.exit_code.name}, {plural(len(self.outcome.records), 'trial')}>"


def plan(
    sweep: SweepLike,
    results: str | Path = "results",
    *,
    overrides: Overrides | None = None,
    trainer: TrainerLike | None = None,
    rerun: str | None = None,
    extend: bool = False,
    **settings: Any,
) -> Plan:
    """What `run` would do with a sweep file, or with a mapping like one: its trials less those that have a result.

    The arguments are those of `run`. Raises SweeperError where `sweeper plan` exits with 2, with the same text.

    >>> plan("toy.yaml", seeds=2).to_run[0].name
    'x=1 seed=0'
    >>> len(plan("toy.yaml", overrides={"x": [1, 2, 3]}).to_run)
    3
    """
    made, _ = planned_for(load(sweep, overrides, trainer, settings), Path(results), rerun, needed=False)
    if problems := refusals(made, None, Path(results), extend=extend):
        raise UsageError(*problems)
    return made


@overload
def run(
    sweep: Plan, results: str | Path = ..., *, runner: str | None = ..., display: Display | None = ...
) -> RunOutcome: ...
@overload
def run(
    sweep: SweepLike, results: str | Path = ..., *, overrides: Overrides | None = ...,
    trainer: TrainerLike | None = ..., runner: str | None = ..., rerun: str | None = ...,
    max_concurrent: int | None = ..., address: str | None = ..., extend: bool = ..., reason: str = ...,
    quiet: bool = ..., display: Display | None = ..., **settings: Any,
) -> RunResults: ...  # fmt: skip
def run(
    sweep: Plan | SweepLike, results: str | Path = "results", *, overrides: Overrides | None = None,
    trainer: TrainerLike | None = None, runner: str | None = None, rerun: str | None = None,
    max_concurrent: int | None = None, address: str | None = None, extend: bool = False, reason: str = "",
    quiet: bool = False, display: Display | None = None, **settings: Any,
) -> RunOutcome | RunResults:  # fmt: skip
    """Plan, train, record: `sweeper run` from Python. Run again, it continues; changed, it trains only what is new.

    `sweep` is a sweep file, a name that the command line would find, a mapping written as the file is, or a plan.
    Overrides are those of the command line, by keyword (`seeds=3`, `method="random"`) or, for dotted names, in
    `overrides`: `{"loss.beta": [0.5, 1], "budget.wall": "30m"}`, where a list gives a setting several values.

    `trainer` is a name as in the file or a function. One at the top level of a module or of the script that runs is
    imported by its name, in workers too: a script then needs `if __name__ == "__main__":` around its call. One of a
    notebook's cell is trained in this process; its key holds the digest of its source, of the functions, classes and
    modules of yours that it uses, and of the values that it reads.

    `runner` is "ray", or "inprocess" for this process; None: Ray, except for such a function of a notebook. `rerun`,
    `max_concurrent`, `address`, `extend` and `reason` are the options of `sweeper run`. Progress goes to standard error
    unless `quiet`; a `display` of your own receives it instead.

    Returns the results, which show their table and figures in a notebook, with `.outcome` and `.verdicts`; of a plan
    the outcome alone, and then nothing is printed. Raises SweeperError where the command line exits with 1 or 2, with
    the same text, and KeyboardInterrupt once an interrupted run has put everything away. Call it from the main thread:
    signals stop a run as they stop `sweeper run`.

    >>> done = run("toy.yaml", runner="inprocess", quiet=True, seeds=2)
    >>> done.outcome.exit_code.name, done.outcome.trained, len(done.configs)
    ('OK', 8, 4)
    """
    given.check_not_importing()
    if isinstance(sweep, Plan):
        return _run_plan(sweep, _options(Path(results), runner, sweep.sweep), display)
    asked_for = load(sweep, overrides, trainer, settings)
    options = _options(Path(results), runner, asked_for)
    options = replace(options, max_concurrent=max_concurrent, address=address, extend=extend, reason=reason)
    outcome = _outcome(asked_for, options, rerun, display, quiet)
    if outcome.exit_code is Exit.INTERRUPTED:
        raise KeyboardInterrupt
    if outcome.exit_code is Exit.TERMINATED and outcome.why == "interrupted":
        raise SystemExit(int(Exit.TERMINATED))
    return with_verdicts(asked_for, options.results, outcome)


def planned_for(
    asked_for: Sweep, results: Path, rerun: str | None, *, needed: bool, found: Trainer | None = None
) -> tuple[Plan, Trainer | None]:
    """The plan of a sweep, and its trainer unless that was `found` before."""
    if rerun is not None and rerun not in list(Rerun):
        raise UsageError(Problem("no such choice", "", "rerun", repr(rerun), ", ".join(Rerun)))
    trainer = found or find_trainer(asked_for, results, needed=needed)
    return make(asked_for, trainer, results, Rerun(rerun or Rerun.NOTHING)), trainer


def _options(results: Path, runner: str | None, sweep: Sweep) -> Options:
    if runner is not None and runner not in list(Runner):
        raise UsageError(Problem("no such runner", "", "runner", repr(runner), ", ".join(Runner)))
    is_kept = sweep.trainer is not None and given.kept(sweep.trainer) is not None
    return Options(results, Runner(runner or (Runner.INPROCESS if is_kept else Runner.RAY)), None, None)


def _run_plan(planned: Plan, options: Options, display: Display | None) -> RunOutcome:
    check(planned, options)
    found = find_trainer(planned.sweep, options.results, needed=True)
    assert found is not None, "needed, so found or refused"
    return run_plan(planned, found, options, display or Silence())


def _outcome(sweep: Sweep, options: Options, rerun: str | None, display: Display | None, quiet: bool) -> RunOutcome:
    planned, found = planned_for(sweep, options.results, rerun, needed=True)
    assert found is not None, "needed, so found or refused"
    check(planned, options)
    if nothing_left(planned, options.results):
        return nothing_to_do(planned, options.results)
    with shown(planned, found, display, quiet) as screen:
        return run_plan(planned, found, options, screen)


@contextlib.contextmanager
def shown(
    planned: Plan, found: Trainer, display: Display | None, quiet: bool, *, live: bool = True
) -> Iterator[Display]:
    """What shows a run: a display of the caller's, nothing, or the command line's on standard error."""
    if display is not None or quiet:
        yield display or Silence()
        return
    from sweeper.cli.terminal.console import news, print_problems
    from sweeper.cli.terminal.progress import Screen

    console = news(color=True)
    print_problems(console, (*planned.sweep.warnings, *planned.warnings), "warning")
    console.print(f"{planned.sweep.name}: {summary(planned)}")
    metrics = headline_metrics(planned, found)
    screen = Screen(console, planned.expected, metrics, False, planned.to_run, planned.labels)
    with screen if live else contextlib.nullcontext():  # live, it would redraw over what a loop prints
        yield screen


def with_verdicts(sweep: Sweep, results: Path, outcome: RunOutcome) -> RunResults:
    """The results of a run that ended so, with the verdicts on the claims of its file."""
    verdicts: Sequence[Verdict] = ()
    if sweep.claims:
        from sweeper.analysis.claims.verify import judge_run  # here: the statistics take a second to import

        verdicts, code = judge_run(sweep, results, outcome.exit_code)
        outcome = replace(outcome, exit_code=code)
    return RunResults(load_results(results / sweep.name).folder, outcome, verdicts)
