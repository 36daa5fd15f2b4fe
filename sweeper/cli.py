"""The verbs: parse, call, print (the only file that imports typer)."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from sweeper.errors import Exit, Problem, SweeperError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from sweeper.ledger import SweepDir
    from sweeper.plan import Plan
    from sweeper.spec import Sweep
    from sweeper.trainer import Trainer

app = typer.Typer(
    name="sweeper",
    help="Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class RunnerChoice(StrEnum):
    ray = "ray"
    inprocess = "inprocess"


class RerunChoice(StrEnum):
    failed = "failed"
    stale = "stale"
    all = "all"


class FormatChoice(StrEnum):
    csv = "csv"
    json = "json"
    markdown = "markdown"
    parquet = "parquet"


class LevelChoice(StrEnum):
    trial = "trial"
    config = "config"
    curve = "curve"


File = Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUES ...]", help="e.g. loss.beta=0.5,1 seeds=5 budget.wall=30m", show_default=False),
]
SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep of the results folder.", show_default=False)]
Results = Annotated[Path, typer.Option("--results", envvar="SWEEPER_RESULTS", help="The results folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and results only.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR).")]
Debug = Annotated[bool, typer.Option("--debug", help="Full tracebacks.")]
Rerun = Annotated[RerunChoice | None, typer.Option(help="Run these again although the ledger holds them.")]

DEFAULT_RESULTS = Path("results")


@app.command()
def run(
    file: File,
    overrides: Overrides = None,
    results: Results = DEFAULT_RESULTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Plan only.")] = False,
    runner: Annotated[RunnerChoice, typer.Option(help="Ray Tune, or one after the other here.")] = RunnerChoice.ray,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="At most so many packs at once.")] = None,
    address: Annotated[str | None, typer.Option(envvar="RAY_ADDRESS", help="A Ray cluster to use.")] = None,
    rerun: Rerun = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Never ask.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Plan, train, record, report. Run again, it continues; on an edited file, it trains only what is new."""
    from rich.text import Text

    from sweeper.closing import Commands, print_finished
    from sweeper.plan import Fate, summary
    from sweeper.run import Options, Runner, check, finished_json, headline_metrics, is_mirrored, nothing_to_do
    from sweeper.run import run as run_plan

    console = _console(no_color)
    sweep = _load(file, overrides, console)
    trainer = _trainer(sweep, needed=not dry_run)
    plan = _plan(sweep, trainer, results, rerun)
    if dry_run or trainer is None:
        _show_plan(plan, console, as_json)
        return
    if not plan.complete:
        hint = "add e.g. `budget: {trials: 50}`"
        raise UsageError(Problem("this search has no end", sweep.place("method"), "budget.trials", hint=hint))
    options = Options(results, Runner(runner), address, max_concurrent, quiet)
    check(sweep, options)
    if not plan.to_run and not plan.of(Fate.REUSED) and is_mirrored(sweep, results):
        finished = nothing_to_do(plan, results)
    else:
        if not quiet:
            console.print(Text(f"{sweep.name}: {summary(plan)}"))
        finished = run_plan(plan, trainer, options, console)
    if as_json:
        _print_json(finished_json(plan, results, finished))
    if not quiet:
        print_finished(
            console, plan, headline_metrics(plan, trainer), finished, Commands(file, overrides or [], results)
        )
    if finished.exit_code:
        raise typer.Exit(finished.exit_code)


@app.command()
def plan(
    file: File,
    overrides: Overrides = None,
    results: Results = DEFAULT_RESULTS,
    rerun: Rerun = None,
    as_json: Json = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """What `run` would do, and what it would cost. Trains nothing."""
    console = _console(no_color)
    sweep = _load(file, overrides, console)
    _show_plan(_plan(sweep, _trainer(sweep, needed=False), results, rerun), console, as_json)


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE ...", help="Sweep files.", show_default=False)],
    as_json: Json = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Every problem of every file, with its line. Exit code 2 when there is one."""
    from sweeper.console import print_problems
    from sweeper.plan import make

    console = _console(no_color)
    errors: dict[str, list[Problem]] = {}
    for file in files:
        try:
            sweep = _load(file, None, console)
            make(sweep, _trainer(sweep, needed=False), Path(os.devnull))
        except SweeperError as error:
            errors[str(file)] = list(error.problems)
            print_problems(console, error.problems)
    if as_json:
        found = {name: [str(problem) for problem in problems] for name, problems in errors.items()}
        _print_json({"valid": not errors, "files": len(files), "problems": found})
    elif not errors:
        console.print(f"{len(files)} file{'s are' if len(files) > 1 else ' is'} valid")
    if errors:
        raise typer.Exit(Exit.USAGE)


@app.command(name="list")
def list_sweeps(
    results: Results = DEFAULT_RESULTS, as_json: Json = False, no_color: NoColor = False, debug: Debug = False
) -> None:
    """The sweeps in the results folder: state, trials done, failed and left, age."""
    from sweeper.console import print_sweeps
    from sweeper.overview import overview

    rows = overview(results)
    if as_json:
        _print_json({"results": str(results), "sweeps": [row.as_json() for row in rows]})
    elif rows:
        print_sweeps(_stdout(no_color), rows, time.time())
    else:
        _console(no_color).print(f"{results} holds no sweeps; `sweeper run FILE` makes one")


@app.command()
def export(
    sweep: SweepName,
    results: Results = DEFAULT_RESULTS,
    form: Annotated[FormatChoice, typer.Option("--format", "-f", help="The form of the table.")] = FormatChoice.csv,
    level: Annotated[LevelChoice, typer.Option(help="What a row is.")] = LevelChoice.trial,
    columns: Annotated[str, typer.Option(help="Only these, comma-separated.", show_default=False)] = "",
    sort: Annotated[str, typer.Option(help="By these columns; -NAME descending.", show_default=False)] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else standard output.")] = None,
    debug: Debug = False,
) -> None:
    """Result tables: one row a trial, a configuration, or a point of a curve."""
    from sweeper import results as frames
    from sweeper import tables

    chosen = tables.Format(form)
    if chosen is tables.Format.PARQUET and output is None:
        raise UsageError(Problem("parquet is not text", key="--output", hint="add --output FILE"))
    sweep_dir = _sweep_dir(results, sweep)
    known = frames.history(sweep_dir, curves=level is LevelChoice.curve)
    build = {"trial": frames.trials, "config": frames.configs, "curve": frames.curves}[level]
    frame = tables.select(build(sweep_dir, known), _names(columns), _names(sort))
    if output is None:
        sys.stdout.write(tables.text(frame, chosen))
    else:
        tables.write(frame, chosen, output)


@app.command()
def ui(
    results: Results = DEFAULT_RESULTS,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5000,
    debug: Debug = False,
) -> None:
    """The MLflow UI on the results folder's store. Prints the address; Ctrl-C ends it."""
    from sweeper import tracking

    tracking.serve(tracking.store_uri(results), tracking.artifact_root(results), host, port)


@app.command()
def sync(sweep: SweepName, results: Results = DEFAULT_RESULTS, no_color: NoColor = False, debug: Debug = False) -> None:
    """Write to MLflow whatever the ledger has and MLflow lacks."""
    from sweeper import results as frames
    from sweeper import spec, tracking
    from sweeper.ledger import Ledger
    from sweeper.provenance import commit
    from sweeper.run import mirror_arguments

    sweep_dir = _sweep_dir(results, sweep)
    frames.history(sweep_dir)
    with Ledger(sweep_dir):
        known = frames.history(sweep_dir, curves=True)
        loaded = spec.load(sweep_dir.spec)
        mirrored = tracking.sync(*mirror_arguments(loaded, sweep_dir, commit(Path.cwd())), known.planned())
    console = _console(no_color)
    console.print(f"MLflow has {mirrored.runs} of {mirrored.runs + mirrored.behind} trials")
    if mirrored.behind:
        console.print(f"  {mirrored.error}")
        raise typer.Exit(Exit.INTERNAL)


@app.command()
def schema() -> None:
    """The JSON Schema of the sweep file, for editors."""
    from sweeper import spec

    sys.stdout.write(json.dumps(spec.schema(), indent=2) + "\n")


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="The name of the sweep.")] = "my-sweep", debug: Debug = False
) -> None:
    """Write a commented sweep file, NAME.yaml, that runs as it is."""
    from sweeper import spec

    path = Path(f"{name}.yaml")
    text = spec.starter(name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(Problem(f"cannot write it: {error.strerror}", str(path))) from error
    typer.echo(f"wrote {path}; next: sweeper plan {path}", err=True)


def main() -> NoReturn:
    """The one error boundary: a user's error is a few lines and its exit code, ours says how to see the traceback."""
    signal.signal(signal.SIGINT, _quit)
    debug = "--debug" in sys.argv
    try:
        app()
    except SweeperError as error:
        if debug:
            raise
        from sweeper.console import print_problems

        print_problems(_console("--no-color" in sys.argv), error.problems)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to complain about
        sys.exit(Exit.OK)
    except Exception as error:
        if debug:
            raise
        text = f"internal error: {type(error).__name__}: {error}\n  hint: --debug shows the traceback; please report it"
        print(text, file=sys.stderr)
        sys.exit(Exit.INTERNAL)
    sys.exit(Exit.OK)


def _quit(*_: object) -> NoReturn:
    sys.exit(Exit.INTERRUPTED)


def _console(no_color: bool) -> Console:
    from sweeper.console import news

    return news(color=not no_color and "NO_COLOR" not in os.environ)


def _stdout(no_color: bool) -> Console:
    from rich.console import Console

    return Console(no_color=no_color, highlight=False, soft_wrap=not sys.stdout.isatty())


def _load(file: Path, overrides: list[str] | None, console: Console) -> Sweep:
    from sweeper import spec
    from sweeper.console import print_problems

    sweep = spec.load(file, overrides or ())
    print_problems(console, sweep.warnings, "warning")
    return sweep


def _trainer(sweep: Sweep, *, needed: bool) -> Trainer | None:
    from sweeper import trainer

    if sweep.trainer is not None:
        return trainer.find(sweep.trainer)
    if needed:
        allowed = f"{', '.join(trainer.BUNDLED)}, or package.module:function"
        hint = "add `trainer: ...` to the file, or trainer=... to the command"
        raise UsageError(Problem("a trainer is needed to run", str(sweep.source), "trainer", "", allowed, hint))
    return None


def _plan(sweep: Sweep, trainer: Trainer | None, results: Path, rerun: RerunChoice | None) -> Plan:
    from sweeper.plan import Rerun, make

    return make(sweep, trainer, results, Rerun(rerun) if rerun else Rerun.NOTHING)


def _sweep_dir(results: Path, name: str) -> SweepDir:
    """The folder of a sweep named on the command line (a path to it will do, as the shell completes it)."""
    from sweeper.ledger import SweepDir

    path = Path(name)
    if len(path.parts) > 1 and path.is_dir():
        return SweepDir(path.parent, path.name)
    if len(path.parts) != 1 or name in (".", ".."):
        raise UsageError(Problem("not the name of a sweep", "", "SWEEP", name, "a name that `sweeper list` shows"))
    return SweepDir(results, name)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"schema_version": 1, **document}, indent=1, allow_nan=False) + "\n")


def _show_plan(plan: Plan, console: Console, as_json: bool) -> None:
    from sweeper.console import print_plan
    from sweeper.plan import as_json as document

    if as_json:
        _print_json(document(plan))
    else:
        print_plan(_stdout(console.no_color), plan)


if __name__ == "__main__":
    main()
