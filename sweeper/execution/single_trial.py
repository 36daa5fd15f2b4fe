"""`sweeper train`: one trial, here, in this process, without Ray, ledger or MLflow; for looking and for debugging."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper import trainer
from sweeper.cli.terminal.console import heading, number, sparkline
from sweeper.devices import limit_threads
from sweeper.execution.worker import attempt
from sweeper.execution.worker.attempt import Attempt
from sweeper.execution.worker.job import Job
from sweeper.trial import Ended, Event, Reported, State, Trial


@dataclass(slots=True)
class Curves:
    """What the trial has reported so far, drawn as it grows; where there is no terminal, a line a report."""

    console: Console
    metrics: Sequence[str]
    reports: list[Reported] = field(default_factory=list)
    ended: Ended | None = None

    def push(self, event: Event) -> None:
        if isinstance(event, Ended):
            self.ended = event
        elif isinstance(event, Reported):
            self.reports.append(event)
            if not self.console.is_terminal:
                values = (f"{name} {number(event.metrics[name])}" for name in self._shown())
                self.console.print(f"step {event.step}  {'  '.join(values)}")

    def render(self) -> RenderableType:
        if not self.reports:
            return Text("training ...", "dim")
        table = Table.grid(padding=(0, 2))
        for name in self._shown():
            values = [report.metrics[name] for report in self.reports if name in report.metrics]
            table.add_row(name, Text(sparkline(values), "cyan"), number(values[-1]))
        return Group(Text(f"step {self.reports[-1].step}"), table)

    def _shown(self) -> list[str]:
        """The metrics worth a line, or all of a trainer that names none (at most eight)."""
        return [n for n in self.metrics if n in self.reports[-1].metrics] or list(self.reports[-1].metrics)[:8]


def train(
    target: str, trial: Trial, goals: Sequence[str], metrics: Sequence[str], threads: int, console: Console
) -> Ended:
    """Train one trial with its curves on the screen, then show the small tables it wrote. Nothing is recorded."""
    with tempfile.TemporaryDirectory() as folder:
        params = {**trial.params, "seed": trial.seed}
        job = Job(trial.key, 1, target, params, tuple(goals), Path(folder), threads=threads)
        curves = Curves(console, metrics)
        live = Live(console=console, get_renderable=curves.render, refresh_per_second=4)
        with live if console.is_terminal else nullcontext():
            attempt.run(job, _Nobody(curves.push))
        assert curves.ended is not None, "an attempt that is not cancelled ends"
        for path in sorted(Path(folder).glob("*.csv")):
            console.print(_table(path))
        return curves.ended


def train_and_raise(target: str, trial: Trial, goals: Sequence[str], threads: int) -> None:
    """The same with nothing caught: what the trainer raises flies, for a debugger."""
    with tempfile.TemporaryDirectory() as folder:
        params = {**trial.params, "seed": trial.seed}
        job = Job(trial.key, 1, target, params, tuple(goals), Path(folder), threads=threads)
        limit_threads(threads)
        function = trainer.load(target)
        watched = Attempt(job, _Nobody(lambda event: print(event) if isinstance(event, Reported) else None))
        function(params, watched.report, **attempt.extras(function, watched))


@dataclass(frozen=True, slots=True)
class _Nobody:
    """The driver of a trial that is trained alone: it listens."""

    send: Callable[[Event], None]

    def verdict(self, trial: str) -> None:
        return None

    def is_stopping(self) -> bool:
        return False

    def is_cancelled(self) -> bool:
        return False

    def more(self, count: int, *, wait: bool) -> list[Job]:
        return []


def outcome_words(ended: Ended, metrics: Sequence[str]) -> Text:
    """The end in one line: its state, and its metrics or the reason."""
    values: Mapping[str, float] = ended.metrics
    words = "  ".join(f"{name} {number(values[name])}" for name in metrics if name in values)
    return Text(f"{ended.state}  ", "bold").append(words if ended.state is State.COMPLETED else ended.reason)


def _table(path: Path) -> Table:
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
