"""How a comparison of two sweeps looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeper.analysis.claims.verdict import format_list
from sweeper.analysis.comparison import Comparison, Moved, Shift
from sweeper.analysis.rounding import rounded
from sweeper.value_text import plural

SHOWN = 8  # configurations of a metric
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
    shown = [metric for metric in found.metrics if metric.moved or metric.metric in metrics]
    if shown:
        console.print()
        _print_metrics(console, shown)
    quiet = len(found.metrics) - sum(metric.moved for metric in found.metrics)
    if found.metrics:
        text = "every metric lies within seed noise" if quiet == len(found.metrics) else ""
        console.print(text or f"{quiet} of {plural(len(found.metrics), 'metric')} within seed noise")
    if found.changes:
        console.print()
        for what, a, b in found.changes:
            console.print(Text.assemble((f"{what}  ", "bold"), f"{a or '-'} → {b or '-'}"), soft_wrap=True)


def _print_metrics(console: Console, shown: Sequence[Moved]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("metric", "A", "B", "B - A", "95 % interval", "n", ""):
        table.add_column(name, justify="left" if name in ("metric", "") else "right", overflow="fold")
    for metric in shown:
        table.add_row(*_cells(metric.metric, metric.overall), style="bold")
        moved = [shift for shift in metric.configs if shift.moved]
        for shift in moved[:SHOWN]:
            table.add_row(*_cells(f"  {shift.label}", shift))
        if len(moved) > SHOWN:
            table.add_row(f"  and {len(moved) - SHOWN} more")
    console.print(table)


def _cells(name: str, shift: Shift) -> list[str | Text]:
    sign = "+" if shift.shift > 0 else ""
    low, high = shift.ci_low, shift.ci_high
    ends = f"[{rounded(low)}, {rounded(high)}]" if low is not None and high is not None else "one seed"
    gap = Text(f"{sign}{rounded(shift.shift)}", "yellow" if shift.moved else "")
    return [name, rounded(shift.a), rounded(shift.b), gap, ends, str(shift.n), HOW.get(shift.by, shift.by)]
