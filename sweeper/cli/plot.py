"""The commands that show: plot (figures of a sweep) and report (one page with everything)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli import completion
from sweeper.cli.options import Shared, SweepName, comma_list, shares
from sweeper.cli.output import named_sweep, news_console, print_json, print_json_line, write_file
from sweeper.cli.terminal.plain_text import print_text
from sweeper.errors import Problem, UsageError

if TYPE_CHECKING:
    from sweeper.ledger.paths import SweepDir
    from sweeper.reporting.figures import FigureContext, FigureKind, ImageFormat

Kinds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KIND ...]",
        help="heatmap, contour, seeds, slice, curves, seed-curves, history, edf, importance, pareto, parallel, "
        "timeline; all that make sense by default.",
        show_default=False,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        "-m",
        help="A metric, as often as wanted; NAME:minimize or NAME:maximize gives its direction. By default the goals "
        "and the trainer's headlines.",
        show_default=False,
        autocompletion=completion.metrics,
    ),
]
XAxis = Annotated[
    str | None,
    typer.Option(
        "--x",
        help="A parameter, or a combination: 'loss.beta + loss.x' (heatmap, slice).",
        show_default=False,
        autocompletion=completion.parameters,
    ),
]
YAxis = Annotated[
    str | None,
    typer.Option("--y", help="The same, upwards (heatmap).", show_default=False, autocompletion=completion.parameters),
]


@shares("results", "as_json", "no_color")
def plot(
    sweep: SweepName,
    kinds: Kinds = None,
    metric: Metrics = None,
    x: XAxis = None,
    y: YAxis = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder; else RESULTS/SWEEP/plots.", show_default=False)
    ] = None,
    form: Annotated[str, typer.Option("--format", "-f", help="Some of png, svg, pdf, html.")] = "png,svg,html",
    *,
    shared: Shared,
) -> None:
    """Plots of a sweep as PNG, SVG or PDF, and as HTML where looking closer helps. Prints the files it wrote."""
    from sweeper.analysis.sweep_results import SweepResults
    from sweeper.reporting import figures

    chosen, forms = _kinds(kinds or []), _forms(form)
    sweep_dir = named_sweep(shared.results, sweep)
    results = SweepResults(sweep_dir)
    metrics = tuple((results.named(name), way) for name, way in map(_metric, metric or []))
    x, y = (text and results.named(text) for text in (x, y))
    context = figures.FigureContext(results, metrics, x, y)
    context.check_metrics()
    written, skipped = _written(context, chosen, forms, output or sweep_dir.plots, echo=not shared.as_json)
    if shared.as_json:
        print_json({"sweep": sweep_dir.name, "files": written, "left_out": skipped})
    elif skipped and not kinds:
        console = news_console(shared.no_color)
        for kind, why in skipped.items():
            partly = " partly" if any(Path(file).name.startswith(f"{kind}-") for file in written) else ""
            console.print(f"{kind}{partly} skipped: {why}")
    empty = [kind.name for kind in chosen if kind.name in skipped]
    if kinds and empty:
        hint = "leave the kind out, or choose other metrics or parameters with --metric, --x, --y"
        raise UsageError(*(Problem(skipped[kind], sweep_dir.name, kind, hint=hint) for kind in empty))


@shares("results", "as_json")
def report(
    sweep: SweepName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; else RESULTS/SWEEP/report.html.", show_default=False)
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on 127.0.0.1 instead, updating itself, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --serve: 0 is any free one.")] = 8787,
    *,
    shared: Shared,
) -> None:
    """One self-contained HTML page: claims, tables, plots, every trial, provenance. Prints its path, or its address."""
    from sweeper.analysis.sweep_results import SweepResults
    from sweeper.reporting.report.page import render

    sweep_dir = named_sweep(shared.results, sweep)
    results = SweepResults.at_once(sweep_dir)  # an unknown sweep raises before a file is made
    if serve:
        if output is not None:
            raise UsageError(Problem("--serve and --output exclude each other", hint="give one of them"))
        _serve(sweep_dir, port, shared)
        return
    path = output or sweep_dir.report
    write_file(path, render(results).encode())
    if shared.as_json:
        print_json({"sweep": sweep_dir.name, "files": [str(path)]})
    else:
        print_text(path)


def _serve(sweep_dir: SweepDir, port: int, shared: Shared) -> None:
    from sweeper.reporting.report.serve import serve_report

    def announce(address: str) -> None:
        if shared.as_json:
            print_json_line({"sweep": sweep_dir.name, "address": address})
        else:
            print_text("Ctrl-C ends it", news=True)
            print_text(address)

    serve_report(sweep_dir, port, announce)


def _written(
    context: FigureContext, kinds: list[FigureKind], forms: set[ImageFormat], folder: Path, *, echo: bool
) -> tuple[list[str], dict[str, str]]:
    """Draw and write one plot after the other: the files, and why a kind was skipped."""
    from sweeper.reporting.figures import NotApplicable, draw

    written: list[str] = []
    skipped: dict[str, str] = {}
    for kind in kinds:
        for figure in draw(kind, context, forms):
            if isinstance(figure, NotApplicable):
                skipped[kind.name] = str(figure)
                continue
            for form, content in figure.content.items():
                path = folder / f"{figure.stem}.{form}"
                write_file(path, content)
                written.append(str(path))
                if echo:
                    print_text(path)
    return written, skipped


def _kinds(names: list[str]) -> list[FigureKind]:
    from sweeper.errors import did_you_mean
    from sweeper.reporting.figures import KINDS

    unknown = [name for name in names if name not in KINDS]
    if unknown:
        allowed, hint = ", ".join(KINDS), did_you_mean(unknown[0], list(KINDS))
        raise UsageError(Problem("no such kind of plot", "", "KIND", ", ".join(unknown), allowed, hint))
    return [KINDS[name] for name in dict.fromkeys(names or KINDS)]


def _forms(text: str) -> set[ImageFormat]:
    from sweeper.reporting.figures import ImageFormat

    names = comma_list(text.lower())
    unknown = [name for name in names if name not in list(ImageFormat)]
    if unknown or not names:
        raise UsageError(Problem("no such form", "", "--format", ", ".join(unknown), ", ".join(ImageFormat)))
    return {ImageFormat(name) for name in names}


def _metric(text: str) -> tuple[str, bool | None]:
    """`NAME`, `NAME:minimize` or `NAME:maximize`."""
    name, _, direction = text.rpartition(":")
    directions = {"minimize": False, "maximize": True}
    return (name, directions[direction]) if name and direction in directions else (text, None)
