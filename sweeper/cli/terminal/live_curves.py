"""The curves of one trial as it trains, its tables and how it ended."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.analysis.rounding import rounded
from sweeper.cli.terminal.console import heading, sparkline
from sweeper.trial import Ended, Event, Reported, State
from sweeper.value_text import NO_LABELS, Labels


@dataclass(slots=True)
class Curves:
    """What a trial has reported so far, drawn as it grows; when piped, one line per report."""

    console: Console
    metrics: Sequence[str]
    labels: Labels = NO_LABELS
    reports: list[Reported] = field(default_factory=list)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the block runs, the curves are on the terminal."""
        live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4)
        with live if self.console.is_terminal else nullcontext():
            yield

    def push(self, event: Event) -> None:
        if isinstance(event, Reported):
            if self.reports and self.reports[-1].step == event.step:
                self.reports.pop()  # it is in this one, with more
            self.reports.append(event)
            if not self.console.is_terminal:
                short = self.labels.short_names(self._shown())
                values = (f"{short[name]} {rounded(event.metrics[name])}" for name in self._shown())
                self.console.print(f"step {event.step}  {'  '.join(values)}")

    def render(self) -> RenderableType:
        if not self.reports:
            return Text("training ...", "dim")
        table = Table.grid(padding=(0, 2))
        for name in self._shown():
            values = [report.metrics[name] for report in self.reports if name in report.metrics]
            table.add_row(self.labels.text(name), Text(sparkline(values), "cyan"), rounded(values[-1]))
        return Group(Text(f"step {self.reports[-1].step}"), table)

    def _shown(self) -> list[str]:
        """The metrics worth a line, or all of a trainer that names none (at most eight)."""
        return [n for n in self.metrics if n in self.reports[-1].metrics] or list(self.reports[-1].metrics)[:8]


def outcome_text(ended: Ended, metrics: Sequence[str]) -> Text:
    """The end in one line: its state, and its metrics or the reason."""
    values: Mapping[str, float] = ended.metrics
    text = "  ".join(f"{name} {rounded(values[name])}" for name in metrics if name in values)
    return Text(f"{ended.state}  ", "bold").append(text if ended.state is State.COMPLETED else ended.reason)


def file_table(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    table = Table(title=path.stem, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(heading(name, head), justify="left" if name == head[0] else "right")
    for row in rows:
        table.add_row(row[0], *(_cell(text) for text in row[1:]))
    return table


def _cell(text: str) -> Text:
    """A share as people read it: two digits, large ones bold, nothing for zero."""
    try:
        value = float(text)
    except ValueError:
        return Text(text)
    return Text(f"{value:.2f}", "bold" if value >= 0.5 else "") if abs(value) >= 0.005 else Text("·", "dim")
