"""The table of a paper: one parameter down, one across, a metric in the cells; what else varies makes more rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from sweeper.analysis.frames import cell_value, summaries
from sweeper.analysis.rounding import plus_minus, rounded, with_interval
from sweeper.errors import Problem, UsageError, did_you_mean
from sweeper.reporting.tables.markup import Cell, StyledTable
from sweeper.trainer.metric_ranges import UNBOUNDED
from sweeper.trial import State, Value, canonical
from sweeper.value_text import NO_LABELS, Labels, exact, show


class Spread(StrEnum):
    """What is shown with a mean."""

    STD = "std"
    CI = "ci"


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell: a metric over the seeds of a configuration. `trials` are the planned ones, `others` what became of the
    rest, in words."""

    mean: float
    std: float
    ci_low: float
    ci_high: float
    n: int
    trials: int
    others: str


@dataclass(frozen=True, slots=True)
class Pivot:
    """Rows by `down` (the last of `names`) and by what else varies; columns by `across`. `cells` may lack some."""

    names: Sequence[str]
    across: str
    metric: str
    rows: Sequence[tuple[Value, ...]]
    columns: Sequence[Value]
    cells: dict[tuple[tuple[Value, ...], Value], Measured]
    maximize: bool | None = None
    unit: str = ""


def pivot(
    trials: pd.DataFrame,
    varied: Sequence[str],
    axes: Sequence[str],
    maximize: bool | None = None,
    unit: str = "",
    within: tuple[float, float] = UNBOUNDED,
) -> Pivot:
    """The pivot of a frame of trials by `axes`: row, column, metric, whose range is `within`.

    Raises UsageError for a name that is none.
    """
    if len(axes) != 3:
        raise UsageError(Problem("three names are needed", "", "--pivot", ",".join(axes), "ROW,COL,METRIC"))
    down, across, metric = axes
    _check(trials, varied, axes)
    levels = trials[list(varied)].map(_level)
    others = [n for n in varied if n not in (down, across) and levels[n].map(repr).nunique() > 1]
    names = [*others, down]
    keys = list(zip(levels[names].itertuples(index=False, name=None), levels[across], strict=True))
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    done = trials[metric].where(trials.state == State.COMPLETED).astype(float)
    done.index = pd.Index([order[key] for key in keys])
    found = summaries(pd.DataFrame({"m": done}), within={"m": within})
    states: dict[int, Counter[str]] = {}
    for number, state, value in zip(done.index, trials.state, done, strict=True):
        silent = state == State.COMPLETED and not math.isfinite(value)
        states.setdefault(number, Counter())["without it" if silent else state] += 1
    cells = {key: _measured(found, number, states[number]) for key, number in order.items()}
    rows = _sorted([row for row, _ in order])
    return Pivot(names, across, metric, rows, [c for (c,) in _sorted([(c,) for _, c in order])], cells, maximize, unit)


def as_frame(table: Pivot) -> pd.DataFrame:
    """The means as numbers: the row's parameters, then a column `ACROSS=VALUE` each."""
    frame = pd.DataFrame(list(table.rows), columns=list(table.names))
    for column in table.columns:
        found = [table.cells.get((row, column)) for row in table.rows]
        frame[f"{table.across}={exact(column)}"] = [cell.mean if cell else math.nan for cell in found]
    return frame


def as_styled_table(table: Pivot, spread: Spread, note: str = "", labels: Labels = NO_LABELS) -> StyledTable:
    """The table for people: mean and spread, the best of each row in bold, n where seeds are missing."""
    short = labels.short_names([*table.names, table.across])
    head = [*(short[name] for name in table.names), *(f"{short[table.across]} = {show(c)}" for c in table.columns)]
    sizes = {cell.n for cell in table.cells.values()}
    rows = []
    for row in table.rows:
        cells = [table.cells.get((row, column)) for column in table.columns]
        best = _best(cells, table.maximize)
        headers = [Cell(_named(value), number=isinstance(value, int | float)) for value in row]
        texts = (text_of(cell, spread, len(sizes) > 1) for cell in cells)
        rows.append([*headers, *(Cell(text, i in best, True) for i, text in enumerate(texts))])
    return StyledTable(
        head, rows, _caption(table, spread, sizes, labels), note, len(table.names), _label(table, labels)
    )


def arrow(maximize: bool | None) -> str:
    """Which way is better."""
    return {True: " ↑", False: " ↓", None: ""}[maximize]


def _measured(found: dict[str, np.ndarray], number: int, states: Counter[str]) -> Measured:
    mean, std, low, high = (float(found[f"m.{part}"][number]) for part in ("mean", "std", "ci_low", "ci_high"))
    others = ", ".join(f"{count} {state}" for state, count in states.items() if state != State.COMPLETED)
    return Measured(mean, std, low, high, int(found["m.n"][number]), sum(states.values()), others)


def _caption(table: Pivot, spread: Spread, sizes: set[int], labels: Labels) -> str:
    shown = "mean ± standard deviation" if spread is Spread.STD else "mean [95 % interval]"
    size = next(iter(sizes))
    over = f" over n = {size}" if len(sizes) == 1 else " over n seeds as given"
    best = "" if table.maximize is None else "; best of each row in bold"
    return f"{_label(table, labels)}: {shown}{over}{' seeds' if size != 1 and len(sizes) == 1 else ''}{best}"


def _label(table: Pivot, labels: Labels) -> str:
    unit = f" [{table.unit}]" if table.unit else ""
    return labels.text(table.metric) + unit + arrow(table.maximize)


def text_of(cell: Measured | None, spread: Spread, show_n: bool) -> str:
    """A mean with its spread, and n where asked or where trials are missing."""
    if cell is None:
        return ""
    if not cell.n:
        return cell.others
    if cell.n == 1:
        text = rounded(cell.mean)
    elif spread is Spread.STD:
        text = plus_minus(cell.mean, cell.std)
    else:
        text = with_interval(cell.mean, cell.ci_low, cell.ci_high)
    lost = f"; {cell.others}" if cell.others else ""
    return f"{text} (n = {cell.n}{lost})" if show_n or lost else text


def _best(cells: Sequence[Measured | None], maximize: bool | None) -> set[int]:
    known = {i: cell.mean for i, cell in enumerate(cells) if cell is not None and cell.n}
    if maximize is None or len(known) < 2:
        return set()
    top = max(known.values()) if maximize else min(known.values())
    return {i for i, mean in known.items() if mean == top}


def _check(trials: pd.DataFrame, varied: Sequence[str], axes: Sequence[str]) -> None:
    down, across, metric = axes
    for name in (down, across):
        if name not in varied:
            hint = did_you_mean(name, list(varied))
            raise UsageError(Problem("no such parameter that varies", "", "--pivot", name, ", ".join(varied), hint))
    if down == across:
        raise UsageError(Problem("rows and columns are the same", "", "--pivot", down))
    if metric not in trials.columns or not pd.api.types.is_numeric_dtype(trials[metric]) or metric in varied:
        numbers = [name for name in trials.select_dtypes("number").columns if name not in varied]
        raise UsageError(Problem("no such metric", "", "--pivot", metric, hint=did_you_mean(metric, numbers)))
    if trials.empty:
        raise UsageError(Problem("no trial is left", "", "--where"))


def _sorted(rows: Sequence[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """By number where a level is one; texts keep the order of the plan."""
    distinct = list(dict.fromkeys(rows))
    places = [{repr(v): i for i, v in enumerate(dict.fromkeys(column))} for column in zip(*distinct, strict=True)]

    def key(row: tuple[Value, ...]) -> list[tuple[bool, float]]:
        numeric = [isinstance(v, int | float) and not isinstance(v, bool) for v in row]
        return [
            (not is_number, float(v) if is_number else place[repr(v)])  # type: ignore[arg-type]
            for v, is_number, place in zip(row, numeric, places, strict=True)
        ]

    return sorted(distinct, key=key)


def _level(cell: object) -> Value:
    """The value of a parameter's cell, which distinguishes rows and columns: hashable, whole numbers as such."""
    value = canonical(cell_value(cell))
    return exact(value) if isinstance(value, list | dict) else value


def _named(value: Value) -> str:
    return "" if value is None else show(value)
