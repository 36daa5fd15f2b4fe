"""Configurations as people read them: a metric in one cell, mean and spread, n where seeds are missing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from sweeper.analysis.columns import PARTS
from sweeper.analysis.frames import cell_value
from sweeper.reporting.tables.markup import Cell, StyledTable
from sweeper.reporting.tables.pivot import Measured, Spread, arrow, text_of
from sweeper.value_text import show


def expanded(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The columns, where a metric's bare name stands for all that is known of it over the seeds."""
    return [part for name in columns for part in (_parts(name) if is_metric(frame, name) else [name])]


def is_metric(frame: pd.DataFrame, name: str) -> bool:
    """Whether a name is that of a metric in a table of configurations."""
    return name not in frame.columns and f"{name}.mean" in frame.columns


def as_styled_table(
    frame: pd.DataFrame,
    columns: Sequence[str],
    spread: Spread,
    maximize: Callable[[str], bool | None],
    units: Mapping[str, str],
    note: str = "",
) -> StyledTable:
    """The columns named; a bare metric as mean and spread with the best in bold, all others as they are."""
    bare = {name for name in columns if is_metric(frame, name)}
    best = {name: _best(frame[f"{name}.mean"], maximize(name)) for name in bare}
    named = {name: f"{name} [{units[name]}]" if units.get(name) else name for name in bare}
    head = [f"{named[name]}{arrow(maximize(name))}" if name in bare else name for name in columns]
    rows = [
        [_metric(row, n, spread, number in best[n]) if n in bare else _plain(row[n]) for n in columns]
        for number, row in enumerate(frame.to_dict("records"))
    ]
    shown = "mean ± standard deviation" if spread is Spread.STD else "mean [95 % interval]"
    return StyledTable(head, rows, f"{shown} over the seeds; n where some are missing" if bare else "", note)


def _metric(row: Mapping[Hashable, Any], name: str, spread: Spread, best: bool) -> Cell:
    mean, std, low, high = (float(row[part]) for part in _parts(name)[:4])
    n, seeds = int(row[f"{name}.n"]), int(row["seeds"])
    text = text_of(Measured(mean, std, low, high, n, seeds, ""), spread, n < seeds) if n else f"n = 0 of {seeds}"
    return Cell(text, best, True)


def _plain(cell: object) -> Cell:
    value = cell_value(cell)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell("" if value is None else show(value), number=number)


def _parts(name: str) -> list[str]:
    return [f"{name}.{part}" for part in PARTS]


def _best(means: pd.Series, maximize: bool | None) -> set[int]:
    known = {number: mean for number, mean in enumerate(means) if mean == mean}
    if maximize is None or len(known) < 2:
        return set()
    top = max(known.values()) if maximize else min(known.values())
    return {number for number, mean in known.items() if mean == top}
