"""How one sweep, and one trial of it, look in a terminal: what `sweeper status` and `sweeper show` print."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper.console import STYLES, duration, number, sparkline
from sweeper.overview import Progress
from sweeper.trial import Record, State, show

LOG_LINES = 10


def render_progress(progress: Progress, limit: int = 10) -> RenderableType:
    """Counts, pace, time left and the failures with their reasons."""
    total = sum(progress.counts.values())
    done = total - progress.counts.get(State.PENDING, 0) - progress.counts.get(State.RUNNING, 0)
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        Text(progress.name, "bold"), ProgressBar(total=max(total, 1), completed=done, width=30), f"{done}/{total}"
    )
    counts = Text("  ").join(Text(f"{n} {s}", STYLES[State(s)]) for s, n in progress.counts.items())
    pace = f"{progress.trials_per_hour:.3g} trials an hour" if progress.trials_per_hour else "no pace yet"
    left = f", about {duration(progress.left_s)} left" if progress.left_s is not None else ""
    driver = f"run by {progress.driver}" if progress.driver else "not running"
    lines: list[RenderableType] = [bar, counts, f"{pace}{left}; {driver}"]
    for failure in progress.failures[:limit]:
        text = Text(f"{failure.state} ", STYLES[State(failure.state)])
        lines.append(text.append(f"{failure.trial[:8]}  {failure.name}  {failure.reason}", "default not bold"))
    if len(progress.failures) > limit:
        lines.append(f"and {len(progress.failures) - limit} more")
    return Group(*lines)


def print_trial(console: Console, record: Record, folder: Path, again: str) -> None:
    """All of one trial: settings, metrics with their curves, provenance, the end of its log, how to run it again."""
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
        facts |= {"attempt": str(ended.attempt), "commit": ended.commit, "code": trial.code, "taken from": ended.origin}
        console.print(_rows("provenance", {name: value for name, value in facts.items() if value}))
    log = folder / "log.txt"
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    if lines:
        console.print(Text(f"log  {log}", "bold"))
        console.print(Text("\n".join(lines), "dim"))
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
        table.add_row(name, number(value), Text(sparkline(curve), "cyan"))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
