"""How far MLflow follows one trial, and what it should show of it: names, values and points, without MLflow itself."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sweeper.trial import Ended, Event, Record, Reported, Started, State, Value, canonical

# MLflow's own limits, cut to here rather than refused there (older servers take tags up to 5000 only).
LONGEST_TAG, LONGEST_PARAM, LONGEST_NAME = 5000, 6000, 250
STATUS = {State.COMPLETED: "FINISHED", State.PRUNED: "KILLED", State.DIVERGED: "FAILED", State.FAILED: "FAILED"}

Point = tuple[str, float, int, int]  # metric, value, milliseconds since the epoch, step


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How the mirror stands: trials shown in full, trials that are not, the last error in one line ("" if none)."""

    runs: int
    behind: int
    error: str


@dataclass(frozen=True, slots=True)
class Found:
    """A run that is in MLflow: id, status and end, and from its tags the trial, the attempt and the results folder."""

    run: str
    status: str
    end_ms: int
    trial: str
    attempt: str
    results: str


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
        if self._begins(event):
            self.record = Record(self.record.trial, event.attempt)
            self.forget(self.run)
        elif event.attempt < self.record.attempt or self.record.ended is not None:
            return
        self.live = True
        match event:
            case Started():
                self.record.started = event
            case Reported():
                self.record.reports.append(event)
            case Ended():
                self.record.ended = event

    def forget(self, outdated: str = "") -> None:
        """Knows nothing of MLflow any more, except the run to remove when the new one is made."""
        self.run, self.outdated, self.points, self.opened, self.complete = "", outdated, 0, False, False

    def adopt(self, found: Found) -> bool:
        """Takes a run in MLflow for its own, if it is whole or can be completed (points written twice count once)."""
        whole = self.is_whole(found)
        wanted = self.live or self.record.ended is not None
        mendable = wanted and found.status == "RUNNING" and found.attempt == str(self.record.attempt)
        if self.run or not (whole or mendable):
            return False
        self.run, self.opened, self.complete = found.run, whole, whole
        return True

    def is_whole(self, found: Found) -> bool:
        """Whether a run shows all of an ended attempt: its end is written last, with the time of the attempt's end."""
        ended = self.record.ended
        return ended is not None and found.end_ms == ms(ended.at) and found.status == STATUS[ended.state]

    def start_ms(self) -> int:
        """When the attempt began, in milliseconds since the epoch."""
        if self.record.ended is not None:
            return ms(self.record.ended.started_at)
        return ms(self.record.started.at) if self.record.started is not None else 0

    def tags(self) -> dict[str, str]:
        """What tells the trial's run from others, and how the trial stands."""
        trial, ended = self.record.trial, self.record.ended
        last = ended or self.record.started
        tags = {
            "sweeper.trial": trial.key,
            "sweeper.config": trial.config,
            "sweeper.attempt": str(self.record.attempt),
            "sweeper.state": str(State.RUNNING if ended is None else ended.state),
            "sweeper.reason": ended.reason if ended else "",
            "sweeper.code": trial.code,
            "sweeper.device": last.device if last else "",
            "sweeper.host": last.host if last else "",
            "sweeper.origin": ended.origin if ended else "",
            "mlflow.source.git.commit": ended.commit if ended else "",
        }
        return {name: value[:LONGEST_TAG] for name, value in tags.items() if value}

    def params(self) -> dict[str, str]:
        """Every setting of the trial and its seed, as text that reads back: 3000000, 0.1, true, null, adam."""
        settings: dict[str, Value] = {**self.record.trial.params, "seed": self.record.trial.seed}
        return {legal(name): _text(value)[:LONGEST_PARAM] for name, value in settings.items()}

    def new_points(self) -> Iterator[Point]:
        """The reports not written yet, and after the last one the final metrics that differ from it."""
        reports, ended = self.record.reports, self.record.ended
        for report in reports[self.points :]:
            for name, value in report.metrics.items():
                yield legal(name), float(value), ms(report.at), report.step
        if ended is None:
            return
        last = reports[-1] if reports else None
        shown = last.metrics if last is not None and last.step == ended.steps else {}
        # MLflow shows the point of the largest step, then time: a clock set back must not hide the final value.
        at_ms = max(ms(ended.at), ms(last.at) + 1 if last else 0)
        for name, value in ended.metrics.items():
            if not _same(shown.get(name), value):
                yield legal(name), float(value), at_ms, ended.steps

    def _begins(self, event: Event) -> bool:
        if event.attempt != self.record.attempt or not isinstance(event, Started):
            return event.attempt > self.record.attempt
        ended = self.record.ended
        return event.at > ended.at if ended is not None else not self.live


def batches(metrics: list[Any], params: list[Any], tags: list[Any]) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """As few calls of `log_batch` as MLflow allows: 100 params, 100 tags, 1000 of all together."""
    while metrics or params or tags:
        room = 1000 - len(params[:100]) - len(tags[:100])
        yield metrics[:room], params[:100], tags[:100]
        metrics, params, tags = metrics[room:], params[100:], tags[100:]


def legal(name: str) -> str:
    """The name as MLflow accepts it: letters, digits and `/_.- :`, and no path that leads elsewhere (`../a`)."""
    cleaned = re.sub(r"[^/\w.\- :]", "_", name)
    return posixpath.normpath(cleaned).lstrip("/.")[:LONGEST_NAME] or "_"


def ms(seconds: float) -> int:
    """Seconds as MLflow counts time: whole milliseconds."""
    return round(seconds * 1000)


def one_line(error: Exception, address: str) -> str:
    """What went wrong, in one line, without passwords, and with the cure where there is one."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "out-of-date database schema" in text or "Can't locate revision" in text:
        return f"{address} was made by another MLflow version: back it up, then `mlflow db upgrade {address}`"
    if "Max retries exceeded" in text or "timeout exception" in text:
        return f"{address} does not answer"
    return without_password(text)[:300]


def without_password(text: str) -> str:
    """Text whose addresses carry no user and no password."""
    return re.sub(r"//[^/@\s]+@", "//", text)


def _same(shown: float | None, final: float) -> bool:
    return shown is not None and (shown == final or (shown != shown and final != final))


def _text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(canonical(value), ensure_ascii=False)
