"""The sweeps of a results folder at a glance, and how far one of them is: what `list` and `status` show."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from sweeper.ledger import lock
from sweeper.ledger.history import History, read_history
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.trial import State


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One sweep. `state` is running, finished or unfinished; `last_at` the epoch seconds of its last event."""

    name: str
    state: str
    done: int
    failed: int
    left: int
    last_at: float
    damaged_lines: int

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def overview(results: Path) -> list[SweepRow]:
    """A row for every sweep of the folder, by name; none where there is no folder."""
    return [_row(sweep) for sweep in list_sweeps(results)]


def _row(sweep: SweepDir) -> SweepRow:
    history = read_history(sweep)
    counts = Counter(record.state for record in history.planned())
    done = sum(counts[state] for state in State if state.is_result)
    left = counts[State.PENDING] + counts[State.RUNNING]
    state = "running" if lock.holder(sweep.lock) else "unfinished" if left else "finished"
    last_at = max(path.stat().st_mtime for path in (sweep.ledger, sweep.curves) if path.exists())
    return SweepRow(sweep.name, state, done, counts[State.FAILED], left, last_at, history.damaged)


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that failed or diverged, and why."""

    trial: str
    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep is. `driver` is who runs it ("" when nobody does); times are seconds, None when unknown.

    `trials_per_hour` is the pace of this run so far, and `left_s` what is left at that pace.
    """

    name: str
    driver: str
    counts: dict[str, int]
    trials_per_hour: float | None
    left_s: float | None
    failures: list[Failure]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def progress(sweep: SweepDir, history: History, now: float) -> Progress:
    """How far the sweep is, from its ledger alone."""
    records = history.planned()
    counts = Counter(str(record.state) for record in records)
    began = float(history.runs[-1]["at"]) if history.runs else now
    ended = [r.ended for r in records if r.ended and not r.ended.retry and not r.ended.origin and r.ended.at >= began]
    until = now if (driver := lock.holder(sweep.lock)) else max((e.at for e in ended), default=now)
    pace = len(ended) / (until - began) if ended and until > began else None
    left = counts[State.PENDING] + counts[State.RUNNING]
    bad = [r for r in records if r.state in (State.FAILED, State.DIVERGED) and r.ended]
    failures = [Failure(r.trial.key, r.trial.name, str(r.state), r.ended.reason) for r in bad if r.ended]
    left_s = left / pace if pace and driver else None
    return Progress(sweep.name, driver, dict(counts), pace * 3600 if pace else None, left_s, failures)
