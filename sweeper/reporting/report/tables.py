"""The tables of the report: what stands in a cell, and by what number its column is sorted."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.analysis.frames import cell_value
from sweeper.analysis.rounding import plus_minus, rounded
from sweeper.analysis.sweep_results import SweepResults
from sweeper.trial import State
from sweeper.value_text import show

MOST_ROWS = 1000  # of a table; the page would have megabytes, and `sweeper export` has all of them
BEST, MOST_BEST = 3, 12  # configurations that are named at the top: by one goal, of a front


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A cell: its text, the number it is sorted by ("" sorts by its text), and its tooltip."""

    text: str
    sort: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row of the configuration or trial `id`; `key` is the trial that it opens, "" for none, `state` its state."""

    cells: list[ReportCell]
    id: str
    key: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class BestRow:
    """A configuration among the best: its rank, what varies, and each goal with its interval and n."""

    rank: int
    settings: str
    goals: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Headings (the name, what it means, whether it holds numbers) and rows, the first of `all_rows`."""

    headings: list[tuple[str, str, bool]]
    rows: list[ReportRow]
    all_rows: int


def configs(results: SweepResults) -> Table:
    """One row per configuration: what varies, n of the seeds, and each headline metric as mean ± standard deviation."""
    metrics = results.headlines
    headings = [*_parameter_headings(results), ("n", "completed trials, of how many seeds", True)]
    headings += _metric_headings(results)
    rows = []
    done = results.trials[results.trials.state == State.COMPLETED].groupby("config").size()
    frame = results.configs.sort_values("rank", kind="stable") if "rank" in results.configs else results.configs
    for row in frame.head(MOST_ROWS).to_dict("records"):
        count = int(done.get(row["config"], 0))
        cells = [_value(row[name]) for name in results.varied]
        cells.append(ReportCell(f"{count}/{row['seeds']}", str(count)))
        cells += [
            _estimate(*(row[f"{name}.{part}"] for part in ("mean", "std", "ci_low", "ci_high"))) for name in metrics
        ]
        rows.append(ReportRow(cells, str(row["config"])))
    return Table(headings, rows, len(frame))


def trials(results: SweepResults) -> Table:
    """One row per trial: its key, state, seed, what varies, the headline metrics, its time."""
    metrics = results.headlines
    headings = [("trial", "its key; opens all that is known of it", False), ("state", "", False), ("seed", "", True)]
    headings += _parameter_headings(results)
    headings += _metric_headings(results)
    headings += [("seconds", "wall-clock time of the trial", True), ("reason", "why it did not complete", False)]
    rows = []
    frame = results.trials
    if len(frame) > MOST_ROWS:
        frame = frame[frame.trial.isin(shown_trials(results))]
    for row in frame.to_dict("records"):
        cells = [ReportCell(str(row["trial"])[:8]), ReportCell(str(row["state"])), _value(row["seed"])]
        cells += [_value(row[name]) for name in results.varied]
        cells += [_number(row[name]) for name in metrics]
        cells += [_number(row["wall_s"]), ReportCell(str(row["reason"]))]
        key = str(row["trial"])
        rows.append(ReportRow(cells, key, key, str(row["state"])))
    return Table(headings, rows, len(results.trials))


def shown_trials(results: SweepResults) -> set[str]:
    """The keys of the trials on the page: of many, those that did not complete and those of the best configurations."""
    frame = results.trials
    if len(frame) <= MOST_ROWS:
        return set(frame.trial)
    ranks = results.configs.set_index("config")["rank"] if "rank" in results.configs else None
    order = frame.config.map(ranks) if ranks is not None else frame.seed
    order = order.where(frame.state == State.COMPLETED, -1)
    return set(frame.trial.loc[order.sort_values(kind="stable").index[:MOST_ROWS]])


def best(results: SweepResults) -> list[BestRow]:
    """The best configurations by the goal, or those of the Pareto front, each with its goals and their intervals."""
    if results.sweep is None or not results.goals or "rank" not in results.configs:
        return []
    ranked = results.configs[results.configs["rank"].notna()].sort_values("rank", kind="stable")
    if len(results.goals) > 1:  # along the front; of a long one some, evenly
        ranked = ranked[ranked["rank"] == 1].sort_values(f"{next(iter(results.goals))}.mean", kind="stable")
        ranked = ranked.iloc[:: max(1, math.ceil(len(ranked) / MOST_BEST))]
    else:
        ranked = ranked.head(BEST)
    short = results.labels.short_names(results.varied)
    rows = []
    for row in ranked.to_dict("records"):
        settings = "  ".join(f"{short[name]}={show(cell_value(row[name]))}" for name in results.varied)
        values = [_goal(results, row, name) for name in results.goals]
        rows.append(BestRow(int(row["rank"]), settings or str(row["config"])[:8], values))
    return rows


def _goal(results: SweepResults, row: Mapping[Hashable, Any], name: str) -> str:
    mean, low, high, n = (float(row[f"{name}.{part}"]) for part in ("mean", "ci_low", "ci_high", "n"))
    interval = f", 95 % interval [{rounded(low)}, {rounded(high)}]" if math.isfinite(low) else ""
    return f"{results.labels.text(name)} {rounded(mean)}{interval}, n = {n:.0f} of {row['seeds']}"


def _parameter_headings(results: SweepResults) -> list[tuple[str, str, bool]]:
    numbers = {name: all(_value(value).sort for value in results.trials[name]) for name in results.varied}
    return [(short, name, numbers[name]) for name, short in results.labels.short_names(results.varied).items()]


def _metric_headings(results: SweepResults) -> list[tuple[str, str, bool]]:
    meanings = {name: results.descriptions.get(name, "") for name in results.headlines}
    return [(_arrow(results, name), f"{name}: {text}" if text else name, True) for name, text in meanings.items()]


def _arrow(results: SweepResults, metric: str) -> str:
    return results.labels.text(metric) + {True: " ↑", False: " ↓", None: ""}[results.maximize(metric)]


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
