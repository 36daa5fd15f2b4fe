"""What the shell completes: files, sweeps, trials, names of parameters and metrics. It reads, and never complains."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sweeper.errors import SweeperError

if TYPE_CHECKING:
    from sweeper.trial import Record


def files(incomplete: str) -> list[str]:
    """Sweep files: names of the collection, then files and folders here."""
    from sweeper.spec.files import names

    parent = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    with contextlib.suppress(OSError):
        here = sorted(
            f"{path}/" if path.is_dir() else str(path)
            for path in parent.iterdir()
            if path.is_dir() or path.suffix in (".yaml", ".yml")
        )
        return [name for name in (*names(), *here) if name.startswith(incomplete)]
    return []


def sweeps(context: typer.Context, incomplete: str) -> list[str]:
    """The sweeps of the results folder."""
    from sweeper.ledger.paths import list_sweeps

    return [sweep.name for sweep in list_sweeps(_results(context)) if sweep.name.startswith(incomplete)]


def trials(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The trials of the sweep named before, each with its settings."""
    found = [(record.trial.key, record.trial.name) for record in _records(context)]
    return [(key, name) for key, name in found if key.startswith(incomplete)]


def settings(context: typer.Context, incomplete: str) -> list[str]:
    """`KEY=` for the parameters and settings of the file named before."""
    found: list[str] = []
    with _quiet():
        from sweeper.spec.files import find_file
        from sweeper.spec.load import load_spec
        from sweeper.trainer.loading import BUNDLED
        from sweeper.trainer.trainer import find

        sweep = load_spec(find_file(Path(str(context.params["file"]))))
        found = [*(parameter.name for parameter in sweep.space.parameters), *sweep.base, "seeds", "budget.trials"]
        if sweep.trainer in BUNDLED:
            found += find(sweep.trainer).defaults or {}
    return [f"{name}=" for name in dict.fromkeys(found) if name.startswith(incomplete)]


def metrics(context: typer.Context, incomplete: str) -> list[str]:
    """The metrics of the sweep named before."""
    from sweeper.analysis.columns import metric_columns

    return [name for name in metric_columns(_records(context)).values() if name.startswith(incomplete)]


def parameters(context: typer.Context, incomplete: str) -> list[str]:
    """The parameters that vary in the sweep named before."""
    names = dict.fromkeys(name for record in _records(context) for name in record.trial.varied)
    return [name for name in names if name.startswith(incomplete)]


def listed(names: Callable[[typer.Context, str], list[str]]) -> Callable[[typer.Context, str], list[str]]:
    """The same for an option that takes several, separated by commas."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names(context, last.removeprefix("-"))]

    return complete


def columns(context: typer.Context, incomplete: str) -> list[str]:
    """Parameters that vary, metrics, and the columns of ours."""
    from sweeper.analysis.columns import BOOKKEEPING

    own = sorted(name for name in BOOKKEEPING if name.startswith(incomplete))
    return [*parameters(context, incomplete), *metrics(context, incomplete), *own]


def _records(context: typer.Context) -> list[Record]:
    with _quiet():
        from sweeper.ledger.history import read_history
        from sweeper.ledger.paths import SweepDir

        return read_history(SweepDir(_results(context), _sweep(context))).planned()
    return []


def _sweep(context: typer.Context) -> str:
    """The sweep named before. Behind an option without its value nothing has been parsed yet: then as it was typed."""
    if name := context.params.get("sweep"):
        return str(name)
    typed = (os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or "").split()
    return next((word for word in typed[2:] if word in sweeps(context, "")), "")


def _results(context: typer.Context) -> Path:
    return Path(context.params.get("results") or os.environ.get("SWEEPER_RESULTS") or "results")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """A shell that completes must not be answered with an error."""
    with warnings.catch_warnings(), contextlib.suppress(SweeperError, OSError, KeyError):
        warnings.simplefilter("ignore")
        yield
