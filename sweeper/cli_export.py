"""The verb that makes tables: export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli_options import DEFAULT_RESULTS, Debug, FormatChoice, LevelChoice, Results, SweepName
from sweeper.cli_output import named_sweep
from sweeper.errors import Problem, UsageError


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
    sweep_dir = named_sweep(results, sweep)
    known = frames.history(sweep_dir, curves=level is LevelChoice.curve)
    build = {"trial": frames.trials, "config": frames.configs, "curve": frames.curves}[level]
    frame = tables.select(build(sweep_dir, known), _names(columns), _names(sort))
    if output is None:
        sys.stdout.write(tables.text(frame, chosen))
    else:
        tables.write(frame, chosen, output)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
