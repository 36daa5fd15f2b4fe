"""How one sweep, and one trial of it, look in a terminal: what `sweeper status` and `sweeper show` print."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper import provenance
from sweeper.analysis.progress import BestConfiguration, Map, Progress, RunningTrial, SweepSummary
from sweeper.analysis.rounding import rounded
from sweeper.cli.terminal.console import STYLES, sparkline
from sweeper.trial import Record, State
from sweeper.value_text import NO_LABELS, Labels, duration, show

LOG_LINES = 10
VIRIDIS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")


def render(seen: SweepSummary, limit: int = 10) -> RenderableType:
    """Counts, pace, time left, the best so far, what runs with its curve, the failures with their reasons, a map."""
    progress = seen.progress
    total, done = _counted(progress)
    bar = Table.grid(padding=(0, 2))
    bar.add_column(overflow="fold")  # a long name takes two lines: it is what other commands are given
    bar.add_column()
    bar.add_column(no_wrap=True)
    bar.add_row(
        Text(progress.name, "bold"), ProgressBar(total=max(total, 1), completed=done, width=30), f"{done}/{total}"
    )
    counts = Text("  ").join(Text(f"{n} {s}", STYLES[State(s)]) for s, n in progress.counts.items())
    driver = f"; run by {progress.driver}" if progress.driver else ""
    lines: list[RenderableType] = [bar, counts, f"{_pace(progress)}{driver}"]
    if seen.best:
        lines.append(Text("best so far  ", "bold").append(best_text(seen.best, seen.labels), "default not bold"))
    if seen.running:
        lines.append(_running(seen.running[:limit], seen.labels))
    for failure in progress.failures[:limit]:
        text = Text(f"{failure.state} ", STYLES[State(failure.state)])
        lines.append(text.append(f"{failure.trial[:8]}  {failure.name}  {failure.reason}", "default not bold"))
    if len(progress.failures) > limit:
        lines.append(f"and {len(progress.failures) - limit} more")
    return Group(*lines, *([text_map(seen.map, seen.labels)] if seen.map else []))


def one_line(seen: SweepSummary) -> str:
    """The same in a line, for a log file or a pipe."""
    total, done = _counted(seen.progress)
    states = ", ".join(f"{n} {state}" for state, n in seen.progress.counts.items())
    best = f"; best {best_text(seen.best, seen.labels)}" if seen.best else ""
    return f"{seen.progress.name} {done}/{total}: {states}; {_pace(seen.progress)}{best}"


def follow(console: Console, look: Callable[[], SweepSummary], seconds: float) -> None:
    """Redraw until the run has ended; where that is no terminal, a line whenever something has changed."""
    seen = look()
    if console.is_terminal:
        with Live(render(seen), console=console, auto_refresh=False) as live:
            while seen.progress.driver:
                time.sleep(seconds)
                seen = look()
                live.update(render(seen), refresh=True)
        return
    console.print(one_line(seen), soft_wrap=True)
    while seen.progress.driver:
        time.sleep(seconds)
        before, seen = seen, look()
        if seen.progress.counts != before.progress.counts or not seen.progress.driver:
            console.print(one_line(seen), soft_wrap=True)


def best_text(best: BestConfiguration, labels: Labels = NO_LABELS) -> str:
    """`alignment 0.93 at beta=1, n=3`."""
    short = labels.short_names(best.values)
    values = ", ".join(f"{short[name]} {rounded(value)}" for name, value in best.values.items())
    return f"{values} at {best.name}, n={best.n}"


def text_map(found: Map, labels: Labels = NO_LABELS) -> RenderableType:
    """The map as numbers in a table, coloured where there are colours: dark is low, bright is high."""
    return _TextMap(found, labels)


@dataclass(frozen=True, slots=True)
class _TextMap:
    """As wide as where it is shown: the last columns are left out before a number is cut."""

    found: Map
    labels: Labels

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        found = self.found
        low, high = min(found.cells.values()), max(found.cells.values())
        columns = [[_cell(found.cells.get((x, y)), low, high) for y in found.ys] for x in found.xs]
        width = options.max_width - max(map(cell_len, found.ys))
        widths = [max(cell_len(x), *map(len, cells)) + 1 for x, cells in zip(found.xs, columns, strict=True)]
        shown = max(1, sum(total <= width for total in accumulate(widths)))
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("", justify="right", style="dim")
        for x in found.xs[:shown]:
            table.add_column(x, justify="right")
        for row, y in enumerate(found.ys):
            table.add_row(y, *(cells[row] for cells in columns[:shown]))
        others = f", averaged over {', '.join(map(self.labels.text, found.others))}" if found.others else ""
        metric, x, y = map(self.labels.text, (found.metric, found.x, found.y))
        yield Text(f"{metric}: {x} across, {y} down{others}", "bold")
        yield table
        if left_out := found.xs[shown:]:
            yield Text(f"no room for {x} {', '.join(left_out)}", "dim")


def _cell(value: float | None, low: float, high: float) -> Text:
    if value is None:
        return Text("-", "dim")
    level = int((value - low) / (high - low) * (len(VIRIDIS) - 1) + 0.5) if high > low else 0
    return Text(f" {rounded(value)} ", f"{'white' if level < 3 else 'black'} on {VIRIDIS[level]}")


def _running(running: Sequence[RunningTrial], labels: Labels) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("running", "step", labels.shorts.get(running[0].metric, running[0].metric), ""):
        table.add_column(heading, justify="right" if heading == "step" else "left")
    for one in running:
        last = rounded(one.curve[-1]) if one.curve else ""
        table.add_row(one.name, str(one.step or ""), last, Text(sparkline(one.curve, 24), "cyan"))
    return table


def _counted(progress: Progress) -> tuple[int, int]:
    """All trials, and those that have ended."""
    total = sum(progress.counts.values())
    return total, total - progress.counts.get(State.PENDING, 0) - progress.counts.get(State.RUNNING, 0)


def _pace(progress: Progress) -> str:
    """The pace and what is left at it, or that nothing runs."""
    hourly = progress.trials_per_hour or 0
    pace = [f"{hourly:{'.0f' if hourly >= 100 else '.2g'}} trials an hour"] if hourly else []
    if progress.driver:
        pace += [f"{progress.steps_per_s:.3g} steps per second"] if progress.steps_per_s else []
        left = [f"about {duration(progress.left_s)} left"] if progress.left_s is not None else []
        return ", ".join([*(pace or ["no pace yet"]), *left])
    return ", ".join([progress.state if progress.state != "unfinished" else "unfinished, not running", *pace])


def print_trial(console: Console, record: Record, run: Mapping[str, Any], log: Path, again: str) -> None:
    """All of one trial: settings, metrics with their curves, provenance, the end of its log, how to run it again.

    `run` is the ledger's record of the run that trained it.
    """
    trial, ended = record.trial, record.ended
    console.print(Text(f"{trial.key}  ", "bold").append(str(record.state), STYLES[record.state]))
    console.print(Text(trial.name))
    if ended and ended.reason:
        console.print(Text(ended.reason, STYLES[record.state]))
    console.print(
        _rows("settings", {name: show(value) for name, value in trial.params.items()} | {"seed": str(trial.seed)})
    )
    if ended:
        console.print(_metrics(record))
        facts = {"steps": str(ended.steps), "wall": duration(ended.wall_s), "device": ended.device, "host": ended.host}
        facts |= {"attempt": str(ended.attempt), "code": trial.code, "taken from": ended.origin}
        facts |= {"commit": ended.commit} | provenance.facts(run)
        console.print(_rows("provenance", {name: value for name, value in facts.items() if value}))
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.is_file() else []
    if lines:
        console.print(Text(f"log  {log}", "bold"))
        console.print(Text("\n".join(lines), "dim"))
    if again:
        console.print(f"again, alone: {again}", soft_wrap=True)


def _rows(title: str, values: dict[str, str]) -> Table:
    table = _table(title)
    for name, value in values.items():
        table.add_row(name, Text(value))
    return table


def _metrics(record: Record) -> Table:
    assert record.ended is not None, "only a trial that ended has final metrics"
    table = _table("metrics")
    for name, value in record.ended.metrics.items():
        curve = [report.metrics[name] for report in record.reports if name in report.metrics]
        table.add_row(name, rounded(value), Text(sparkline(curve), "cyan"))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
