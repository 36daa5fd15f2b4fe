"""Tables of sweeps and of configurations in a terminal."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sweeper.analysis.columns import metric_columns
from sweeper.analysis.progress import SweepRow
from sweeper.analysis.rounding import plus_minus, rounded
from sweeper.cli.terminal.console import STYLES, heading
from sweeper.cli.terminal.fitted import FittedColumn, fitted_table
from sweeper.trial import Record, State, by_config, values_of
from sweeper.value_text import NO_LABELS, duration, plural, show

if TYPE_CHECKING:
    import pandas as pd

    from sweeper.analysis.sweep_results import SweepResults


def print_sweeps(console: Console, rows: Sequence[SweepRow], now: float) -> None:
    """One row per sweep, as `sweeper list` shows them, and below what is wrong with any."""
    columns = [FittedColumn("sweep", 0, left=True), FittedColumn("state", 1, left=True)]
    columns += [FittedColumn(name, 2) for name in ("done", "failed", "left")]
    columns.append(FittedColumn("last event", 3, left=True))
    cells: list[list[str | Text]] = []
    problems = []
    for row in rows:
        counts = [""] * 3 if row.problem else [str(row.done), str(row.failed), str(row.left)]
        age = "" if row.problem else f"{duration(max(now - row.last_at, 0))} ago"
        cells.append([row.name, row.state, *counts, age])
        damage = f"{plural(row.damaged_lines, 'damaged line')} in the ledger" if row.damaged_lines else ""
        if row.problem or damage:
            problems.append(f"{row.name}: {row.problem or damage}")
    console.print(fitted_table(columns, cells, console.width)[0])
    for problem in problems:
        console.print(Text(problem), soft_wrap=True)


def print_configurations(console: Console, records: Sequence[Record], metrics: Sequence[str], limit: int = 40) -> None:
    """One row per configuration: what varies, how many seeds completed, and the mean of each metric over them."""
    groups, shown = by_config(records), metric_columns(records)
    labels = records[0].trial.labels if records else NO_LABELS
    names = list(dict.fromkeys(name for record in records for name in record.trial.varied))
    columns = [FittedColumn(heading(name, names, labels), 1) for name in names] + [FittedColumn("n", 0)]
    columns += [
        FittedColumn(heading(shown.get(name, name), metrics, labels), min(place, 1) * 2)
        for place, name in enumerate(metrics)
    ]
    rows = [_configuration_row(group, names, metrics) for group in list(groups.values())[:limit]]
    table, left_out = fitted_table(columns, rows, console.width)
    console.print(table)
    if left_out:
        console.print(Text(f"no room for {', '.join(left_out)}: sweeper export has all columns", "dim"))
    if len(groups) > limit:
        console.print(f"... and {len(groups) - limit} more configurations", style="dim")


def _configuration_row(group: list[Record], names: list[str], metrics: Sequence[str]) -> list[str | Text]:
    varied = group[0].trial.varied
    completed = sum(r.state is State.COMPLETED for r in group)
    cells: list[str | Text] = [show(varied[name]) if name in varied else "-" for name in names]
    others = Counter(r.state for r in group if r.state is not State.COMPLETED)
    count = Text(f"{completed}/{len(group)}" if completed < len(group) else str(completed))
    for state, number_of in others.items():
        count.append(f" {state}" if len(others) == 1 else f" {number_of} {state}", STYLES[state])
    cells.append(count)
    for name in metrics:
        values = values_of(group, name)
        spread = statistics.stdev(values) if len(values) > 1 else math.nan
        cells.append(plus_minus(statistics.fmean(values), spread) if values else "")
    return cells


def print_important(console: Console, frame: pd.DataFrame, results: SweepResults) -> None:
    """What people look for in a table of trials or configurations: what varies, n or state, the goals and headlines."""
    is_trials, metrics = "state" in frame and "trial" in frame, results.headlines
    known = [name for name in ("trial", "rank", *results.varied, "seed", "seeds") if name in frame]
    columns = [_important(name, results, known) for name in known if is_trials or name != "seeds"]
    columns += [FittedColumn("state" if is_trials else "n", 0, left=is_trials)]
    columns += [_important(name, results, metrics, min(place, 1) * 2) for place, name in enumerate(metrics)]
    rows: list[list[str | Text]] = []
    for row in frame.to_dict("records"):
        settings = [_cell_text(name, row[name]) for name in known if is_trials or name != "seeds"]
        if is_trials:
            state = State(str(row["state"]))
            values: list[str | Text] = [Text(state, STYLES[state]), *(rounded(row[name]) for name in metrics)]
        else:
            counts = [int(row[f"{name}.n"]) for name in metrics]
            missing = f"/{row['seeds']}" if min(counts, default=0) < row["seeds"] else ""
            spread = [
                plus_minus(row[f"{name}.mean"], row[f"{name}.std"]) if row[f"{name}.n"] else "" for name in metrics
            ]
            values = [f"{min(counts, default=0)}{missing}", *spread]
        rows.append([*settings, *values])
    table, left_out = fitted_table(columns, rows, console.width)
    console.print(table)
    if left_out:
        console.print(Text(f"no room for {', '.join(left_out)}", "dim"))


def _important(name: str, results: SweepResults, names: Sequence[str], rank: int = 1) -> FittedColumn:
    return FittedColumn(heading(name, names, results.labels), rank if name not in ("trial", "rank", "seed") else 0)


def _cell_text(name: str, cell: object) -> str:
    from sweeper.analysis.frames import cell_value  # here: pandas takes half a second to import

    value = cell_value(cell)
    return "-" if value is None else str(value)[:8] if name == "trial" else show(value)
