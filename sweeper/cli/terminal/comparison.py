"""How a comparison of two sweeps looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from sweeper.analysis.claims.verdict import format_list
from sweeper.analysis.comparison import Comparison, Moved, Shift
from sweeper.analysis.rounding import rounded
from sweeper.cli.terminal.console import UNLIMITED, broken
from sweeper.cli.terminal.fitted import FittedColumn, fitted_table
from sweeper.value_text import plural

SHOWN = 8  # configurations of a metric
MOVED = 10  # metrics besides those asked for
NAME_WIDTH = 20
COLUMNS = (
    FittedColumn("metric", 0, left=True),
    FittedColumn("A", 1),
    FittedColumn("B", 1),
    FittedColumn("B - A", 0),
    FittedColumn("95 % interval", 0),
    FittedColumn("n", 2),
    FittedColumn("", 3, left=True),
)
HOW = {"seeds": "paired by seed", "welch": "Welch", "single": ""}


def print_comparison(console: Console, found: Comparison, names: tuple[str, str], metrics: Sequence[str]) -> None:
    """What is only in one, the metrics asked for and those that moved, what else changed."""
    console.print(Text.assemble(("A ", "bold"), names[0]), soft_wrap=True)
    console.print(Text.assemble(("B ", "bold"), names[1]), soft_wrap=True)
    same = f", {plural(found.same_trials, 'trial')} the same" if found.same_trials else ""
    console.print(f"{plural(found.both, 'configuration')} in both{same}")
    for side, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            console.print(f"{len(only)} only in {side}: {format_list(only, 4)}")
    shown = [metric for name in metrics for metric in found.metrics if metric.metric == name]
    moved = [metric for metric in found.metrics if metric.moved and metric not in shown]
    if shown or moved:
        console.print()
        _print_metrics(console, [*shown, *moved[:MOVED]])
    if len(moved) > MOVED:
        console.print(f"and {len(moved) - MOVED} more that moved: --metrics NAME shows one, --json all", style="dim")
    quiet = len(found.metrics) - sum(metric.moved for metric in found.metrics)
    if found.metrics:
        text = "every metric lies within seed noise" if quiet == len(found.metrics) else ""
        console.print(text or f"{quiet} of {plural(len(found.metrics), 'metric')} within seed noise")
    if found.changes:
        console.print()
        for what, a, b in found.changes:
            console.print(Text.assemble((f"{what}  ", "bold"), f"{a or '-'} → {b or '-'}"), soft_wrap=True)


def _print_metrics(console: Console, shown: Sequence[Moved]) -> None:
    rows: list[list[str | Text]] = []
    for metric in shown:
        name = metric.metric if console.width >= UNLIMITED else broken(metric.metric, NAME_WIDTH)
        rows.append([Text(str(cell), "bold") for cell in _cells(name, metric.overall)])
        moved = [shift for shift in metric.configs if shift.moved]
        rows += [_cells(f"  {shift.label}", shift) for shift in moved[:SHOWN]]
        if len(moved) > SHOWN:
            rows.append([f"  and {len(moved) - SHOWN} more", *[""] * (len(COLUMNS) - 1)])
    table, _ = fitted_table(COLUMNS, rows, console.width)
    console.print(table)


def _cells(name: str, shift: Shift) -> list[str | Text]:
    sign = "+" if shift.shift > 0 else ""
    low, high = shift.ci_low, shift.ci_high
    ends = f"[{rounded(low)}, {rounded(high)}]" if low is not None and high is not None else "one seed"
    gap = Text(f"{sign}{rounded(shift.shift)}", "yellow" if shift.moved else "")
    return [name, rounded(shift.a), rounded(shift.b), gap, ends, str(shift.n), HOW.get(shift.by, shift.by)]
