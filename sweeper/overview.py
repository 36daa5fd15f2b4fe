"""The sweeps of a results folder at a glance: what `sweeper list` shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from sweeper import ledger
from sweeper.ledger import SweepDir
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
    return [_row(sweep) for sweep in ledger.sweeps(results)]


def _row(sweep: SweepDir) -> SweepRow:
    history = ledger.read(sweep)
    counts = Counter(record.state for record in history.planned())
    done = sum(counts[state] for state in State if state.is_result)
    left = counts[State.PENDING] + counts[State.RUNNING]
    state = "running" if ledger.holder(sweep) else "unfinished" if left else "finished"
    last_at = max(path.stat().st_mtime for path in (sweep.ledger, sweep.curves) if path.exists())
    return SweepRow(sweep.name, state, done, counts[State.FAILED], left, last_at, history.damaged)
