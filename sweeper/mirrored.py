"""How far MLflow follows one trial, and what it should show of it: names, values and points, without MLflow itself."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sweeper.trial import Ended, Event, Record, Reported, Started, State, Value, canonical

# MLflow's own limits, cut to here rather than refused there (tags: 5000 before MLflow 2.20, 8000 since).
LONGEST_TAG, LONGEST_PARAM, LONGEST_NAME = 5000, 6000, 250

STATUS = {State.COMPLETED: "FINISHED", State.PRUNED: "KILLED", State.DIVERGED: "FAILED", State.FAILED: "FAILED"}

Point = tuple[str, float, int, int]  # metric, value, milliseconds since the epoch, step


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How the mirror stands: trials shown in full, trials that are not, the last error in one line ("" if none)."""

    runs: int
    behind: int
    error: str


@dataclass(slots=True)
class Copy:
    """The copy of one trial: what the ledger says, and how much of it MLflow has.

    `run` is MLflow's run ("" for none), `outdated` the run of an earlier attempt that it replaces, `points` the reports
    written, `opened` whether the parameters are written, `complete` whether the end is. `live` says that this process
    runs the trial: an attempt that a killed driver left unfinished is not live, and gets no run.
    """

    record: Record
    live: bool = False
    run: str = ""
    outdated: str = ""
    points: int = 0
    opened: bool = False
    complete: bool = False
    refusals: int = 0

    @property
    def running(self) -> bool:
        return self.live and self.record.ended is None

    @property
    def owed(self) -> bool:
        """Whether the record says more than MLflow shows."""
        if self.record.ended is not None:
            return not self.complete
        return self.live and not (self.opened and self.points == len(self.record.reports))

    def take(self, event: Event) -> None:
        """Adds an event. A new attempt begins a new run; what comes late from an earlier one, or twice, is dropped."""
        record = self.record
        if self._begins(event):
            self.record = record = Record(record.trial, event.attempt)
            self.live = True
            self.replace(self.run)
        elif event.attempt < record.attempt or record.ended is not None:
            return
        match event:
            case Started():
                record.started = event
            case Reported():
                record.reports.append(event)
            case Ended():
                record.ended = event

    def replace(self, outdated: str = "") -> None:
        """Forgets MLflow's run, and notes the one to remove when the new one is made."""
        self.run, self.outdated, self.points, self.opened, self.complete = "", outdated, 0, False, False

    def _begins(self, event: Event) -> bool:
        ended = self.record.ended
        if event.attempt != self.record.attempt:
            return event.attempt > self.record.attempt
        if ended is None:
            return not self.live
        return isinstance(event, Started) and event.at > ended.at


def start_ms(record: Record) -> int:
    """When the attempt began, in milliseconds since the epoch."""
    if record.ended is not None:
        return ms(record.ended.started_at)
    return ms(record.started.at) if record.started is not None else 0


def tags_of(record: Record) -> dict[str, str]:
    """What tells a trial's run from others, and how the trial stands."""
    trial, ended = record.trial, record.ended
    last = ended or record.started
    tags = {
        "sweeper.trial": trial.key,
        "sweeper.config": trial.config,
        "sweeper.attempt": str(record.attempt),
        "sweeper.state": str(State.RUNNING if ended is None else ended.state),
        "sweeper.reason": ended.reason if ended else "",
        "sweeper.code": trial.code,
        "sweeper.device": last.device if last else "",
        "sweeper.origin": ended.origin if ended else "",
    }
    return {name: value[:LONGEST_TAG] for name, value in tags.items() if value}


def params_of(record: Record) -> dict[str, str]:
    """Every setting of the trial and its seed, as text that reads back: 3000000, 0.1, true, null, adam."""
    settings: dict[str, Value] = {**record.trial.params, "seed": record.trial.seed}
    return {legal(name): _text(value)[:LONGEST_PARAM] for name, value in settings.items()}


def points_of(record: Record, first: int) -> Iterator[Point]:
    """The reports from number `first` on, and after the last one the final metrics that differ from it."""
    for report in record.reports[first:]:
        for name, value in report.metrics.items():
            yield legal(name), float(value), ms(report.at), report.step
    if record.ended is None:
        return
    last = record.reports[-1] if record.reports else None
    shown = last.metrics if last is not None and last.step == record.ended.steps else {}
    # MLflow shows the point of the largest step, then time: a clock set back must not hide the final value.
    at_ms = max(ms(record.ended.at), ms(last.at) + 1 if last else 0)
    for name, value in record.ended.metrics.items():
        if not _same(shown.get(name), value):
            yield legal(name), float(value), at_ms, record.ended.steps


def is_whole(run: Any, record: Record) -> bool:
    """Whether a run shows all of an ended attempt: its end is written last, with the time of the attempt's own end."""
    ended = record.ended
    return ended is not None and run.info.end_time == ms(ended.at) and run.info.status == STATUS[ended.state]


def is_same_attempt(run: Any, copy: Copy) -> bool:
    """Whether a run that was left half written can be completed: points written twice count once in MLflow."""
    wanted = copy.live or copy.record.ended is not None
    return wanted and run.info.status == "RUNNING" and run.data.tags.get("sweeper.attempt") == str(copy.record.attempt)


def batches(metrics: list[Any], params: list[Any], tags: list[Any]) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """As few calls of `log_batch` as MLflow allows: 100 params, 100 tags, 1000 of all together."""
    while metrics or params or tags:
        room = 1000 - len(params[:100]) - len(tags[:100])
        yield metrics[:room], params[:100], tags[:100]
        metrics, params, tags = metrics[room:], params[100:], tags[100:]


def one_line(error: Exception, address: str) -> str:
    """What went wrong, in one line, without passwords, and with the cure where there is one."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        return f"{address} was made by another MLflow version: back it up, then `mlflow db upgrade {address}`"
    if "Max retries exceeded" in text or "timeout exception" in text:
        return f"{address} does not answer"
    return re.sub(r"//[^/@\s]+@", "//", text)[:300]


def legal(name: str) -> str:
    """The name as MLflow accepts it: letters, digits and `/_.- :`, and no path that leads elsewhere (`../a`)."""
    cleaned = re.sub(r"[^/\w.\- :]", "_", name)
    return posixpath.normpath(cleaned).lstrip("/.")[:LONGEST_NAME] or "_"


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def _same(shown: float | None, final: float) -> bool:
    return shown is not None and (shown == final or (shown != shown and final != final))


def _text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(canonical(value), ensure_ascii=False)
