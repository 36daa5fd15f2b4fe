"""How news, plans, progress and tables look in a terminal, and when piped (the only file that imports rich).

News goes to standard error; results and JSON go to standard output and are printed by the verbs themselves.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper.analysis.progress import SweepRow
from sweeper.errors import Problem
from sweeper.planning.plan import Fate, Plan, head_and_tail
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial, by_config, show

HEADING_WIDTH = 11  # seven columns then fit into 80 characters
NARROW = 140  # below that a finished trial takes two lines on a terminal
BARS = "▁▂▃▄▅▆▇█"
STYLES = {
    State.COMPLETED: "green",
    State.PRUNED: "cyan",
    State.DIVERGED: "yellow",
    State.FAILED: "bold red",
    State.RUNNING: "blue",
    State.PENDING: "dim",
}


def news(*, color: bool) -> Console:
    """A console on a copy of standard error, so that what is printed there by others can be sent elsewhere."""
    binary = os.fdopen(os.dup(sys.stderr.fileno()), "wb", buffering=0)
    stream = _Lasting(binary, encoding="utf-8", errors="replace", write_through=True)
    return Console(file=stream, no_color=not color, highlight=False, soft_wrap=not stream.isatty())


class _Lasting(io.TextIOWrapper):
    """A stream that goes on when its terminal has been closed: a sweep must not end because nobody looks on."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def print_problems(console: Console, problems: Iterable[Problem], kind: str = "error") -> None:
    """Each problem: what is wrong in one line, then found / allowed / hint, indented."""
    style = "bold red" if kind == "error" else "bold yellow"
    for problem in problems:
        first, *rest = str(problem).splitlines()
        console.print(Text(f"{kind}: ", style).append(first, "default not bold"))
        for line in rest:
            console.print(Text(line, "dim"))


def print_plan(console: Console, plan: Plan) -> None:
    """The plan for a person: counts, what each `where` removed, the first and last trials, the price."""
    sweep = plan.sweep
    total = f"{plan.configs} configurations x {len(sweep.seeds)} seeds = {len(plan.items)} trials"
    console.print(
        Text.assemble((sweep.name, "bold"), f"  {sweep.method}: ", total if plan.complete else _open_ended(plan))
    )
    for clause, count in plan.removed_by_where.items():
        console.print(f"  where {clause!r} removed {count} configurations")
    for fate in Fate:
        if count := len(plan.of(fate)):
            console.print(f"  {fate:<14}{count}")
    if len(plan.items) > 0:
        console.print(_plan_table(plan))
    estimate = plan.estimate
    if estimate.seconds is None:
        console.print(f"  price unknown: {estimate.reason}")
    elif plan.to_run:
        hours = estimate.device_hours or 0.0
        disk = (estimate.disk_bytes or 0) / 1e6
        console.print(
            f"  price about {duration(estimate.seconds)}, {hours:.2f} device-hours, {disk:.1f} MB ({estimate.reason})"
        )


def _open_ended(plan: Plan) -> str:
    """Why the list of trials is not complete."""
    end = f", up to {plan.sweep.budget.trials} trials" if plan.sweep.budget.trials else ""
    if plan.sweep.method in ("random", "qmc"):
        return "open-ended: add budget.trials to give it an end"
    return f"the list is not complete: the searcher adds trials as results come in{end}"


def _plan_table(plan: Plan) -> Table:
    names = list(dict.fromkeys(name for item in plan.items[:1000] for name in item.trial.varied))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("trial", *(heading(name, names) for name in names), "seed", "fate"):
        table.add_column(name, overflow="fold")
    for item in head_and_tail(list(plan.items), 8):
        if item is None:
            table.add_row(*["..."] * (len(names) + 3))
            continue
        values = [show(item.trial.varied[n]) if n in item.trial.varied else "-" for n in names]
        fate = f"{item.fate}: {item.why}" if item.why else str(item.fate)
        table.add_row(item.trial.key[:8], *values, str(item.trial.seed), fate)
    return table


@dataclass(slots=True)
class Screen:
    """Live progress of a run on a terminal; elsewhere one line for every finished trial.

    `metrics` are the names worth a column, the first ones first.
    """

    console: Console
    total: int
    metrics: Sequence[str]
    quiet: bool = False
    began: float = field(default_factory=time.monotonic)
    latest: dict[str, Reported] = field(default_factory=dict)
    started: dict[str, tuple[Trial, Started]] = field(default_factory=dict)
    done: int = 0
    live: Live | None = None

    def __enter__(self) -> Screen:
        if self.console.is_terminal and not self.quiet:
            self.live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4, transient=True)
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def push(self, trial: Trial, event: Event) -> None:
        if isinstance(event, Started):
            self.started[trial.key] = (trial, event)
        elif isinstance(event, Reported):
            self.latest[trial.key] = event
        else:
            self.started.pop(trial.key, None)
            self.latest.pop(trial.key, None)
            self.done += not event.retry
            self._line(trial, event)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(Text(text, "yellow"))

    def render(self) -> RenderableType:
        elapsed = time.monotonic() - self.began
        left = elapsed / self.done * (self.total - self.done) if self.done else math.nan
        words = f"{self.done}/{self.total} trials  {duration(elapsed)}"
        words += f", about {duration(left)} left" if self.done else ""
        grid = Table.grid(padding=(0, 2))
        grid.add_row(ProgressBar(total=max(self.total, 1), completed=self.done, width=30), Text(words))
        return Group(grid, self._running()) if self.started else Group(grid, Text("  starting workers ...", "dim"))

    def _running(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("running")
        for name in ("step", *self.metrics):
            table.add_column(heading(name, self.metrics), justify="right")
        for key, (trial, _) in list(self.started.items())[:8]:
            report = self.latest.get(key)
            values = [number(report.metrics.get(name)) if report else "" for name in self.metrics]
            table.add_row(trial.name, str(report.step) if report else "", *values)
        return table

    def _line(self, trial: Trial, event: Ended) -> None:
        if self.quiet:
            return
        values = "  ".join(
            f"{n.rsplit('/', 1)[-1]} {number(event.metrics[n])}" for n in self.metrics if n in event.metrics
        )
        news = f"{event.reason} (attempt {event.attempt}, to be tried again)" if event.retry else event.reason or values
        if event.origin:
            news = f"taken over from {event.origin}  {values}"
        text = Text(f"[{self.done}/{self.total}] ").append(f"{event.state:<9}", STYLES[event.state])
        if self.console.is_terminal and self.console.width < NARROW:
            text.append(f"  {news}  {duration(event.wall_s)}\n").append(f"      {trial.name}", "dim")
        else:
            text.append(f"  {trial.name}  {news}  {duration(event.wall_s)}")
        self.console.print(text)


def print_sweeps(console: Console, rows: Sequence[SweepRow], now: float) -> None:
    """One row a sweep, as `sweeper list` shows them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("sweep", "state", "done", "failed", "left", "last event"):
        table.add_column(name, justify="left" if name in ("sweep", "state", "last event") else "right")
    for row in rows:
        counts = (str(row.done), str(row.failed), str(row.left))
        damage = f", {row.damaged_lines} damaged lines in the ledger" if row.damaged_lines else ""
        table.add_row(row.name, row.state, *counts, f"{duration(max(now - row.last_at, 0))} ago{damage}")
    console.print(table)


def print_configurations(console: Console, records: Sequence[Record], metrics: Sequence[str], limit: int = 40) -> None:
    """One row a configuration: what varies, how many seeds have a result, and the mean of each metric over them."""
    groups = by_config(records)
    names = list(dict.fromkeys(name for record in records for name in record.trial.varied))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        table.add_column(heading(name, names), justify="right", overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for name in metrics:
        table.add_column(heading(name, metrics), justify="right", overflow="fold")
    for group in list(groups.values())[:limit]:
        table.add_row(*_configuration_row(group, names, metrics))
    console.print(table)
    if len(groups) > limit:
        console.print(f"... and {len(groups) - limit} more configurations", style="dim")


def _configuration_row(group: list[Record], names: list[str], metrics: Sequence[str]) -> list[str | Text]:
    varied = group[0].trial.varied
    ended = [r.ended for r in group if r.ended is not None and r.state in (State.COMPLETED, State.PRUNED)]
    cells: list[str | Text] = [show(varied[name]) if name in varied else "-" for name in names]
    others = Counter(r.state for r in group if r.state is not State.COMPLETED)
    count = Text(f"{len(ended)}/{len(group)}" if len(ended) < len(group) else str(len(ended)))
    for state, number_of in others.items():
        count.append(f" {state}" if len(others) == 1 else f" {number_of} {state}", STYLES[state])
    cells.append(count)
    for name in metrics:
        values = [e.metrics[name] for e in ended if name in e.metrics]
        spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
        cells.append(f"{number(statistics.fmean(values))}{spread}" if values else "")
    return cells


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def number(value: float | None) -> str:
    """A metric in four significant digits."""
    return "" if value is None else f"{value:.4g}"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The last `width` values as bars between their least and their greatest; a gap where one is not finite."""
    shown = list(values)[-width:]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return " " * len(shown)
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    steps = len(BARS) - 1
    return "".join(BARS[round((v - low) / span * steps)] if math.isfinite(v) else " " for v in shown)


def heading(name: str, names: Sequence[str]) -> str:
    """A column's heading: the last word of a dotted name unless another ends in it too, broken at underscores."""
    last = re.split(r"[./]", name)[-1]
    word = last if sum(re.split(r"[./]", other)[-1] == last for other in names) <= 1 else name
    lines = [""]
    for part in re.findall(r"[^_.]+[_.]*", word):
        if lines[-1] and len(lines[-1]) + len(part) > HEADING_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
