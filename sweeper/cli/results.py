"""The commands about what is in the results folder: list, status, show, export, sample, sync, ui."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli.options import Shared, SweepName, TrialKey, comma_list, shares
from sweeper.cli.output import named_sweep, news_console, print_json, print_json_line, results_console
from sweeper.cli.server import confirmed_server
from sweeper.errors import Exit, Problem, UsageError

if TYPE_CHECKING:
    from sweeper.analysis.progress import SweepSummary

FOLLOW_S = 2.0


@shares("results", "as_json", "no_color")
def list_sweeps(*, shared: Shared) -> None:
    """The sweeps in the results folder: state, trials done, failed and left, age."""
    from sweeper.analysis.progress import overview
    from sweeper.cli.terminal.tables import print_sweeps

    rows = overview(shared.results)
    if shared.as_json:
        print_json({"results": str(shared.results), "sweeps": [row.as_json() for row in rows]})
    elif rows:
        print_sweeps(results_console(shared.no_color), rows, time.time())
    else:
        news_console(shared.no_color).print(f"{shared.results} holds no sweeps; `sweeper run FILE` makes one")


@shares("results", "as_json", "no_color")
def status(
    sweep: SweepName,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Redraw until the run has ended; with --json, a line per change.")
    ] = False,
    *,
    shared: Shared,
) -> None:
    """One sweep: how far it is, how fast, what is left, the best so far, what failed and why."""
    from sweeper.analysis.progress import summarize
    from sweeper.cli.terminal.status import follow as keep_looking
    from sweeper.cli.terminal.status import render
    from sweeper.spec.load import load_or_none

    sweep_dir = named_sweep(shared.results, sweep)

    def look() -> SweepSummary:
        return summarize(sweep_dir, load_or_none(sweep_dir.spec), time.time())

    console = results_console(shared.no_color)
    if shared.as_json and follow:
        _follow_in_lines(look)
    elif shared.as_json:
        print_json(look().as_json())
    elif follow:
        keep_looking(console, look, FOLLOW_S)
    else:
        console.print(render(look()))


def _follow_in_lines(look: Callable[[], SweepSummary]) -> None:
    """A line of JSON for how the sweep stands, then one per change, the last one when its run has ended."""
    before: SweepSummary | None = None
    while before is None or before.progress.driver:
        if before is not None:
            time.sleep(FOLLOW_S)
        seen = look()
        if (line := seen.changes_since(before)) is not None:
            print_json_line({"at": time.time(), **line})
        before = seen


@shares("results", "no_color")
def show(
    sweep: SweepName,
    trial: TrialKey = "",
    *,
    shared: Shared,
) -> None:
    """One trial: settings, metrics, curves, provenance, log, and how to run it again alone."""
    from sweeper.analysis.frames import history
    from sweeper.cli.output import find_trial
    from sweeper.cli.terminal.status import print_trial
    from sweeper.reporting.commands import alone

    sweep_dir = named_sweep(shared.results, sweep)
    known = history(sweep_dir, curves=True)
    record = find_trial(known, trial)
    run = known.run_of(record)
    log, again = sweep_dir.log(record.trial.key), alone(sweep_dir.spec, record.trial)
    print_trial(results_console(shared.no_color), record, run, log, again)


@shares("results")
def ui(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5000,
    *,
    shared: Shared,
) -> None:
    """The MLflow UI on the results folder's store. Prints the address; Ctrl-C ends it."""
    from sweeper.tracking import mirror

    mirror.serve(mirror.store_uri(shared.results), mirror.artifact_root(shared.results), host, port)


@shares("results", "no_color")
def sample(
    sweep: SweepName,
    trial: TrialKey = "",
    z: Annotated[str, typer.Option("--z", help="all, or latents separated by commas.")] = "all",
    prompts: Annotated[int, typer.Option(min=1, help="How many test prompts.")] = 3,
    *,
    shared: Shared,
) -> None:
    """What a trained model writes under each latent: the trace, the strategy it follows, its errors."""
    from sweeper.analysis.frames import history
    from sweeper.cli.output import find_trial
    from sweeper.cli.terminal.samples import print_samples

    sweep_dir = named_sweep(shared.results, sweep)
    record = find_trial(history(sweep_dir), trial)
    if z != "all" and not all(name.isdigit() for name in comma_list(z)):
        raise UsageError(Problem("not a list of latents", "", "--z", z, "all, or e.g. 0,2"))
    latents = None if z == "all" else [int(name) for name in comma_list(z)]
    print_samples(results_console(shared.no_color), record, sweep_dir.trial(record.trial.key), prompts, latents)


@shares("results", "no_color")
def sync(
    sweep: SweepName,
    tracking_uri: Annotated[
        str, typer.Option("--tracking-uri", help="The MLflow server; else that of the run.", show_default=False)
    ] = "",
    *,
    shared: Shared,
) -> None:
    """Write to MLflow whatever the ledger has and MLflow lacks."""
    from sweeper.analysis import frames
    from sweeper.ledger.ledger import Ledger
    from sweeper.reporting.attachments import SweepAttachments
    from sweeper.spec.load import load_run
    from sweeper.tracking import mirror
    from sweeper.tracking.inputs import at_server, mirror_input

    sweep_dir = named_sweep(shared.results, sweep)
    frames.history(sweep_dir)
    run = load_run(sweep_dir.spec)
    run = at_server(run, confirmed_server(run, tracking_uri))
    with Ledger(sweep_dir):
        known = frames.history(sweep_dir, curves=True)
        experiment = mirror_input(run, sweep_dir, known.runs[-1] if known.runs else {})
        mirrored = mirror.sync(*experiment, known.planned(), SweepAttachments(sweep_dir))
    console = news_console(shared.no_color)
    console.print(f"MLflow has {mirrored.runs} of {mirrored.runs + mirrored.behind} trials")
    if not mirrored.is_whole:
        console.print(f"it lacks {mirrored.missing()}: {mirrored.error}")
        raise typer.Exit(Exit.INTERNAL)
