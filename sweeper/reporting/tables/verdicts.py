"""Verdicts as people read them: the claim, what became of it, and the effect with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from sweeper.analysis.frames import cell_value
from sweeper.reporting.tables.markup import Cell, StyledTable


def as_styled_table(frame: pd.DataFrame, note: str = "") -> StyledTable:
    """A row per claim of a frame of verdicts; how a claim stands is a column where not all were registered."""
    more = [] if (frame.status == "registered").all() else ["standing"]
    head = ["claim", "verdict", "effect [interval]", "n", "p", *more]
    return StyledTable(head, [_cells(row, more) for row in frame.to_dict("records")], note=note)


def _cells(row: Mapping[Hashable, Any], more: list[str]) -> list[Cell]:
    effect, low, high, p = (_shown(row[name], digits) for name, digits in _NUMBERS.items())
    interval = f" [{low}, {high}]" if low and high else ""
    numbers = (Cell(text, number=True) for text in (f"{effect}{interval}", str(row["n"]), p))
    return [Cell(row["name"]), Cell(row["outcome"]), *numbers, *(Cell(row[name]) for name in more)]


_NUMBERS = {"effect": 3, "ci_low": 3, "ci_high": 3, "p": 2}  # significant digits


def _shown(value: object, digits: int) -> str:
    number = cell_value(value)
    return "" if number is None else f"{number or 0.0:.{digits}g}"
