"""Live progress of a run in a terminal; when piped, one line per finished trial."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper.analysis.rounding import rounded
from sweeper.cli.terminal.console import NARROW, STYLES, duration, heading
from sweeper.trial import Ended, Event, Reported, Started, Trial
from sweeper.value_text import short_names


@dataclass(slots=True)
class Screen:
    """Live progress of a run on a terminal; elsewhere one line for every finished trial.

    `total` is how many trials are expected, `metrics` are the names worth a column, the first ones first.
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

    def show(self, text: str) -> None:
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
            values = [rounded(report.metrics.get(name)) if report else "" for name in self.metrics]
            table.add_row(trial.name, str(report.step) if report else "", *values)
        return table

    def _line(self, trial: Trial, event: Ended) -> None:
        if self.quiet:
            return
        short = short_names(self.metrics)
        values = "  ".join(f"{short[n]} {rounded(event.metrics[n])}" for n in self.metrics if n in event.metrics)
        news = f"{event.reason} (attempt {event.attempt}, to be tried again)" if event.retry else event.reason or values
        if event.origin:
            news = f"taken over from {event.origin}  {values}"
        text = Text(f"[{self.done}/{self.total}] ").append(f"{event.state:<9}", STYLES[event.state])
        if self.console.is_terminal and self.console.width < NARROW:
            text.append(f"  {news}  {duration(event.wall_s)}\n").append(f"      {trial.name}", "dim")
        else:
            text.append(f"  {trial.name}  {news}  {duration(event.wall_s)}")
        self.console.print(text)
