"""Live progress of a run in a terminal; when piped, a line per finished trial and one now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from sweeper.analysis.rounding import rounded
from sweeper.analysis.workload import Workload
from sweeper.cli.terminal.console import NARROW, STYLES, heading
from sweeper.cli.terminal.fitted import FittedColumn, fitted_table
from sweeper.trainer.trainer import HEADLINES
from sweeper.trial import Ended, Event, Reported, Started, Trial
from sweeper.value_text import NO_LABELS, Labels, duration, show

SHOWN = 8  # running trials, at most
BAR = 24  # characters
PIPED_EVERY_S = 60.0  # between lines of progress where there is no terminal
REDRAW_S = 0.25


@dataclass(slots=True)
class Screen:
    """Live progress of a run on a terminal; elsewhere one line for every finished trial.

    `total` is how many trials are expected, `metrics` are the names worth a column, the first ones first; without any,
    the first that a trial reports.
    """

    console: Console
    total: int
    metrics: Sequence[str]
    quiet: bool = False
    planned: Sequence[Trial] = ()
    labels: Labels = NO_LABELS
    began: float = field(default_factory=time.monotonic)
    latest: dict[str, Reported] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)  # made since the latest report, where they are known
    started: dict[str, tuple[Trial, Started]] = field(default_factory=dict)
    done: int = 0
    live: Live | None = None
    activity: str = "starting"
    printed: float = field(default_factory=time.monotonic)
    work: Workload = field(init=False)
    # rich computes where the drawn lines are before it writes: a line of another thread in between is overwritten.
    drawing: threading.RLock = field(default_factory=threading.RLock)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.work = Workload(self.total, self.planned)

    def __enter__(self) -> Screen:
        if self.console.is_terminal and not self.quiet:
            self.live = Live(console=self.console, get_renderable=self.render, auto_refresh=False, transient=True)
            self.live.start()
            threading.Thread(target=self._redraw, args=(self.live,), daemon=True, name="progress").start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            with self.drawing:
                self.over.set()
                self.live.stop()

    def _redraw(self, live: Live) -> None:
        while not self.over.wait(REDRAW_S):
            with self.drawing:
                if not self.over.is_set():
                    live.refresh()

    def _print(self, text: Text) -> None:
        with self.drawing:
            self.console.print(text)

    def push(self, trial: Trial, event: Event) -> None:
        self.work.advance(trial, event)
        if not self.metrics and not isinstance(event, Started):
            self.metrics = list(event.metrics)[:HEADLINES]
        if isinstance(event, Started):
            self.started[trial.key] = (trial, event)
        elif isinstance(event, Reported):
            self.latest[trial.key] = event
            self.steps[trial.key] = event.step
            self._piped_progress()
        else:
            self.started.pop(trial.key, None)
            self.latest.pop(trial.key, None)
            self.steps.pop(trial.key, None)
            self.done += not event.retry
            self._line(trial, event)

    def show(self, text: str) -> None:
        if not self.quiet:
            self._print(Text(text, "yellow"))

    def show_activity(self, text: str) -> None:
        self.activity = text

    def show_step(self, trial: Trial, step: int) -> None:
        self.work.reach(trial, step)
        self.steps[trial.key] = step
        self._piped_progress()

    def expect_more(self, count: int) -> None:
        self.total += count
        self.work.trials += count

    def render(self) -> RenderableType:
        """The bar, what it counts, and the trials that run."""
        total = self.work.total if self.started or self.done else None  # None: the bar moves to and fro
        counts = total or self.total
        bar = Progress(BarColumn(BAR), TaskProgressColumn(), TextColumn("{task.description}", markup=False))
        made = self.work.made if total else self.done
        bar.add_task(self._counts(), total=counts if self.started or self.done else None, completed=round(made))
        news = self._pace() if self.started else f"{self.activity} ..."
        parts: list[RenderableType] = [bar, Text(f"  {news}", "dim")]
        return Group(*parts, *self._running()) if self.started else Group(*parts)

    def _counts(self) -> str:
        now = time.monotonic()
        left = self.work.left_s(now)
        text = f"{self.done}/{self.total} trials  {duration(now - self.began)}"
        return f"{text}, about {duration(left)} left" if left else text

    def _pace(self) -> str:
        made, total, pace = self.work.made, self.work.total, self.work.pace(time.monotonic())
        if not made:
            return "training, no report yet"
        return f"{made:.0f}{f' of {total:.0f}' if total else ''} steps{f', {pace:.3g} per second' if pace else ''}"

    def _piped_progress(self) -> None:
        now = time.monotonic()
        if self.live is None and not self.quiet and now - self.printed > PIPED_EVERY_S:
            self.printed = now
            self._print(Text(f"{self._counts()}; {self._pace()}"))

    def _running(self) -> list[RenderableType]:
        trials = [trial for trial, _ in self.started.values()]
        shown = trials[: max(1, min(SHOWN, self.console.height - 6))]
        names = list(dict.fromkeys(name for trial in trials for name in trial.varied))
        columns = [FittedColumn(heading(name, names, self.labels), 1) for name in names]
        columns += [FittedColumn("seed", 0), FittedColumn("step", 0)]
        columns += [
            FittedColumn(heading(name, self.metrics, self.labels), 0 if name == self.metrics[0] else 2)
            for name in self.metrics
        ]
        table, left_out = fitted_table(columns, [self._row(trial, names) for trial in shown], self.console.width)
        table.header_style = "dim"
        more = len(trials) - len(shown)
        notes = [f"and {more} more run"] if more else []
        notes += [f"no room for {', '.join(left_out)}"] if left_out else []
        return [table, *(Text(note, "dim") for note in notes)]

    def _row(self, trial: Trial, names: Sequence[str]) -> list[str | Text]:
        report = self.latest.get(trial.key)
        values = [rounded(report.metrics.get(name)) if report else "" for name in self.metrics]
        settings = [show(trial.varied[name]) if name in trial.varied else "-" for name in names]
        return [*settings, str(trial.seed), str(self.steps.get(trial.key, "")), *values]

    def _line(self, trial: Trial, event: Ended) -> None:
        if self.quiet:
            return
        short = self.labels.short_names(self.metrics)
        values = "  ".join(f"{short[n]} {rounded(event.metrics[n])}" for n in self.metrics if n in event.metrics)
        news = f"{event.reason} (attempt {event.attempt}, to be tried again)" if event.retry else event.reason or values
        if event.origin:
            news = f"taken over from {event.origin}  {values}"
        text = Text(f"[{self.done}/{self.total}] ").append(f"{event.state:<9}", STYLES[event.state])
        if self.console.is_terminal and self.console.width < NARROW:
            text.append(f"  {news}  {duration(event.wall_s)}\n").append(f"      {trial.name}", "dim")
        else:
            text.append(f"  {trial.name}  {news}  {duration(event.wall_s)}")
        self._print(text)
