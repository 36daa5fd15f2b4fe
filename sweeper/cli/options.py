"""The arguments and options that commands share, each with its help."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeper.cli import completion
from sweeper.ledger.paths import check_local
from sweeper.spec.files import find_file


def comma_list(text: str) -> list[str]:
    """The names of a comma-separated list.

    >>> comma_list("alignment, loss/total,")
    ['alignment', 'loss/total']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


class RunnerChoice(StrEnum):
    ray = "ray"
    inprocess = "inprocess"


class RerunChoice(StrEnum):
    failed = "failed"
    stopped = "stopped"
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
    claims = "claims"


class SpreadChoice(StrEnum):
    std = "std"
    ci = "ci"


class IntervalChoice(StrEnum):
    t = "t"
    bootstrap = "bootstrap"


def _not_negative(value: float | None) -> float | None:
    if value is not None and not 0 <= value < math.inf:
        raise typer.BadParameter("a standard deviation is a number of at least 0")
    return value


File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The sweep file (YAML), or the name of one in search_spaces/ or of those that come with sweeper.",
        show_default=False,
        callback=lambda file: file and find_file(file),
        autocompletion=completion.files,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUES ...]",
        help="e.g. loss.beta=0.5,1 seeds=5 budget.wall=30m",
        show_default=False,
        autocompletion=completion.settings,
    ),
]
SweepName = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP",
        help="A sweep of the results folder.",
        show_default=False,
        autocompletion=completion.sweeps,
    ),
]
TrialKey = Annotated[
    str,
    typer.Argument(
        metavar="TRIAL",
        help="A trial's key, or its beginning.",
        show_default=False,
        autocompletion=completion.trials,
    ),
]
Rerun = Annotated[RerunChoice | None, typer.Option(help="Run these again although the ledger holds them.")]
Extend = Annotated[
    bool, typer.Option("--extend", help="Take the name over from another file, whose trials then leave the tables.")
]
AssumeSd = Annotated[
    float | None,
    typer.Option(
        help="The spread of what claims compare; else that of earlier results.",
        show_default=False,
        callback=_not_negative,
    ),
]

SHARED: dict[str, tuple[Any, object]] = {  # field of Shared -> its option and default, in the order of --help
    "results": (
        Annotated[Path, typer.Option("--results", envvar="SWEEPER_RESULTS", help="The results folder.")],
        Path("results"),
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")], False),
    "quiet": (Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and results only.")], False),
    "no_color": (Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR).")], False),
    "debug": (Annotated[bool, typer.Option("--debug", help="Full tracebacks.")], False),
}


@dataclass(frozen=True, slots=True)
class Shared:
    """The values of the shared options; those that a command does not have are at their defaults."""

    results: Path = Path("results")
    as_json: bool = False
    quiet: bool = False
    no_color: bool = False
    debug: bool = False

    def __post_init__(self) -> None:
        check_local(self.results)


def shares(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared options `names`, and --debug; it takes their values as its last argument, `shared`.

    Typer reads the options off a signature: the one that it is shown has them in the place of `shared`.
    """
    chosen = [name for name in SHARED if name in (*names, "debug")]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(**given: Any) -> None:
            shared = Shared(**{name: given.pop(name) for name in chosen})
            command(**given, shared=shared)

        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "shared"]
        kind = inspect.Parameter.KEYWORD_ONLY
        added = [inspect.Parameter(n, kind, annotation=SHARED[n][0], default=SHARED[n][1]) for n in chosen]
        call.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
        return call

    return decorate
