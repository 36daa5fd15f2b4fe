"""What is known of a sweep: its ledger and curves, read back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import LedgerError, Problem
from sweeper.ledger import jsonl, lock
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.trial import Ended, Record, Reported, Started, State, Trial

VERSION = 1
KEY = re.compile("[0-9a-f]{16}")
# Until November 2026 this was written for trials of a pack that had only stopped at a checkpoint: they are pending.
NO_FAILURE = "trainer contract: train_pack() returned before this member had ended"


@dataclass(slots=True)
class History:
    """What a ledger says: every trial it knows, the trials of the sweep as last planned, its runs, damaged lines."""

    records: dict[str, Record] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    damaged: int = 0

    def planned(self) -> list[Record]:
        """The trials of the sweep as last planned, in that order."""
        return [self.records[key] for key in self.order if key in self.records]

    def run_of(self, ended: Ended) -> dict[str, Any]:
        """The run that trained this: the last one that had begun by then; {} where the result was taken over."""
        before = [run for run in self.runs if run["at"] <= ended.at]
        return before[-1] if before and not ended.origin else {}


def holds_code(results: Path, code: str) -> bool:
    """Whether some ledger of the results folder holds a trial of the trainer code with this digest."""
    entry = f'"code":"{code}"'.encode()
    return bool(code) and any(entry in jsonl.contents(sweep.ledger) for sweep in list_sweeps(results))


def ledger_size(sweep: SweepDir) -> int:
    """The length of a sweep's ledger in bytes: 0 where there is none. It only ever grows."""
    return sweep.ledger.stat().st_size if sweep.ledger.exists() else 0


def read_history(sweep: SweepDir, *, curves: bool = False) -> History:
    """Read what is known of a sweep; an empty history where it has no ledger. Reports are read only with `curves`."""
    history = History()
    for entry in _lines(sweep.ledger, history):
        try:
            _apply(history, entry, sweep)
        except (LookupError, TypeError, ValueError):
            history.damaged += 1  # whole, and yet none of our lines: from a stranger, or after a line that was lost
    if not lock.holder(sweep.lock):
        _close_open_attempts(history)
    if curves:
        _read_curves(sweep, history)
    return history


def _read_curves(sweep: SweepDir, history: History) -> None:
    """The curve of a trial: what its latest attempt reported, before that what led to the checkpoint it began from."""
    for entry in _lines(sweep.curves, history):
        if record := history.records.get(entry["trial"]):
            report = Reported(**{**entry, "metrics": _floats(entry["metrics"])})
            while record.reports and record.reports[-1].step >= report.step:
                record.reports.pop()
            record.reports.append(report)
    for record in history.records.values():
        now, since = record.attempt, record.resumed
        record.reports = [report for report in record.reports if report.attempt == now or report.step <= since]


def _lines(path: Path, history: History) -> Iterator[dict[str, Any]]:
    for entry in jsonl.read(path):
        if entry is None:
            history.damaged += 1
        else:
            yield entry


def _apply(history: History, entry: dict[str, Any], sweep: SweepDir) -> None:
    kind = entry.pop("e")
    if kind == "trial":
        if not KEY.fullmatch(entry["trial"]):
            raise ValueError("no trial key: it would name a folder of its own choice")
        history.records.setdefault(entry["trial"], Record(_trial(entry)))
    elif kind == "start":
        record = history.records[entry["trial"]]
        record.attempt, record.started, record.ended = entry["attempt"], Started(**entry), None
        record.resumed = record.started.step
    elif kind == "end":
        record = history.records[entry["trial"]]
        entry |= {"state": State(entry["state"]), "metrics": _floats(entry["metrics"])}
        record.attempt, record.ended = entry["attempt"], Ended(**entry)
        if record.ended.reason == NO_FAILURE:
            record.started = record.ended = None
    elif kind == "run":
        history.order = entry.pop("order")
        history.runs.append(entry)
        _close_open_attempts(history)
    elif kind == "more":
        history.order += entry["order"]
    elif kind == "stop":
        history.runs[-1]["stopped"] = entry
    elif kind == "ledger" and entry["version"] != VERSION:
        found, allowed = f"version {entry['version']}", f"version {VERSION}"
        raise LedgerError(Problem("written by another version of sweeper", str(sweep.ledger), "", found, allowed))


def _close_open_attempts(history: History) -> None:
    """The driver of these attempts is gone: their trials are pending again."""
    for record in history.records.values():
        if record.ended is None:
            record.started = None


def _trial(entry: dict[str, Any]) -> Trial:
    params = entry["params"]
    varied = {name: params[name] for name in entry["varied"]}
    base = {name: value for name, value in params.items() if name not in varied}
    return Trial(entry["trial"], entry["config"], entry["seed"], varied, base, entry["trainer"], entry["code"])


def _floats(metrics: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}
