"""The tables of the report: what stands in a cell, and by what number its column is sorted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweeper.analysis.frames import cell_value
from sweeper.analysis.rounding import plus_minus, rounded
from sweeper.analysis.sweep_results import SweepResults
from sweeper.trial import State
from sweeper.value_text import short_names, show


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A cell: its words, the number it is sorted by ("" sorts its words), and what it says when asked."""

    text: str
    sort: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row; `key` is the trial that it opens, "" for none, `state` that of the trial."""

    cells: list[ReportCell]
    key: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Headings (the name, what it means, whether it holds numbers) and rows."""

    headings: list[tuple[str, str, bool]]
    rows: list[ReportRow]


def configs(results: SweepResults) -> Table:
    """One row per configuration: what varies, n of the seeds, and each headline metric as mean ± standard deviation."""
    metrics = results.headlines
    headings = [*_parameter_headings(results), ("n", "completed trials, of how many seeds", True)]
    headings += [(_arrow(results, name), results.descriptions.get(name, ""), True) for name in metrics]
    rows = []
    done = results.trials[results.trials.state == State.COMPLETED].groupby("config").size()
    for row in results.configs.to_dict("records"):
        count = int(done.get(row["config"], 0))
        cells = [_value(row[name]) for name in results.varied]
        cells.append(ReportCell(f"{count}/{row['seeds']}", str(count)))
        cells += [
            _estimate(*(row[f"{name}.{part}"] for part in ("mean", "std", "ci_low", "ci_high"))) for name in metrics
        ]
        rows.append(ReportRow(cells))
    return Table(headings, rows)


def trials(results: SweepResults) -> Table:
    """One row per trial: its key, state, seed, what varies, the headline metrics, its time."""
    metrics = results.headlines
    headings = [("trial", "its key; opens all that is known of it", False), ("state", "", False), ("seed", "", True)]
    headings += _parameter_headings(results)
    headings += [(_arrow(results, name), results.descriptions.get(name, ""), True) for name in metrics]
    headings += [("seconds", "wall-clock time of the trial", True), ("reason", "why it did not complete", False)]
    rows = []
    for row in results.trials.to_dict("records"):
        cells = [ReportCell(str(row["trial"])[:8]), ReportCell(str(row["state"])), _value(row["seed"])]
        cells += [_value(row[name]) for name in results.varied]
        cells += [_number(row[name]) for name in metrics]
        cells += [_number(row["wall_s"]), ReportCell(str(row["reason"]))]
        rows.append(ReportRow(cells, str(row["trial"]), str(row["state"])))
    return Table(headings, rows)


def _parameter_headings(results: SweepResults) -> list[tuple[str, str, bool]]:
    numbers = {name: all(_value(value).sort for value in results.trials[name]) for name in results.varied}
    return [(short, name, numbers[name]) for name, short in short_names(results.varied).items()]


def _arrow(results: SweepResults, metric: str) -> str:
    return metric + {True: " ↑", False: " ↓", None: ""}[results.maximize(metric)]


def _value(value: object) -> ReportCell:
    value = cell_value(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return ReportCell(show(value), repr(value) if number else "")


def _number(value: object) -> ReportCell:
    number = cell_value(value)
    if not isinstance(number, int | float):
        return ReportCell("")
    return ReportCell(rounded(number), repr(float(number)) if math.isfinite(number) else "")


def _estimate(mean: float, std: float, low: float, high: float) -> ReportCell:
    """The mean and its spread, `0.185 ± 0.017`; the 95 % interval when asked."""
    if not math.isfinite(mean):
        return ReportCell("")
    asked = f"95 % interval [{rounded(low)}, {rounded(high)}]" if math.isfinite(std) and std > 0 else ""
    return ReportCell(plus_minus(mean, std), repr(mean), asked)
