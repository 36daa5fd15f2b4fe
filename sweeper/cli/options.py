"""The arguments and flags that verbs share, each with its help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
    latex = "latex"
    html = "html"
    optuna = "optuna"


class LevelChoice(StrEnum):
    trial = "trial"
    config = "config"
    curve = "curve"
    effect = "effect"


class SpreadChoice(StrEnum):
    std = "std"
    ci = "ci"


class IntervalChoice(StrEnum):
    t = "t"
    bootstrap = "bootstrap"


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
