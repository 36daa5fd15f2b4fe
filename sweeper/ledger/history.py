"""What is known of a sweep: its ledger and curves, read back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import LedgerError, Problem
from sweeper.ledger import jsonl, lock
from sweeper.ledger.chain import Chain
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.trial import Ended, Record, Reported, Started, State, Trial

VERSION = 2  # since lines carry the hash of the one before; version 1 is read as it is
KEY = re.compile("[0-9a-f]{16}")
# Until November 2026 this was written for trials of a pack that had only stopped at a checkpoint: they are pending.
NO_FAILURE = "trainer contract: train_pack() returned before this member had ended"


@dataclass(frozen=True, slots=True)
class Registration:
    """A claim as a run first wrote it down: its keys, which run, and the trials that had a result by then."""

    keys: dict[str, Any]
    run: int
    seen: frozenset[str]


@dataclass(slots=True)
class History:
    """What a ledger says: every trial it knows, the trials of the sweep as last planned, its runs, damaged lines.

    `registered` holds every claim that some run wrote down, in that order, by its text. `looks` names the runs, by
    their place in `runs`, that ended with every trial of the plan done and more results than the last such run.
    """

    records: dict[str, Record] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    registered: dict[str, Registration] = field(default_factory=dict)
    looks: list[int] = field(default_factory=list)
    last_look: int = 0  # the results that it saw
    chain: Chain = field(default_factory=Chain)
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


def audit(sweep: SweepDir, quoted: str = "") -> Chain:
    """Follow the chain of hashes through a sweep's ledger. Raises LedgerError where it cannot be read."""
    chain = Chain(quoted)
    for _ in jsonl.read(sweep.ledger, chain):
        pass
    return chain


def read_history(sweep: SweepDir, *, curves: bool = False) -> History:
    """Read what is known of a sweep; an empty history where it has no ledger. Reports are read only with `curves`."""
    history = History()
    for entry in _lines(sweep.ledger, history, history.chain):
        try:
            _apply(history, entry, sweep)
        except (LookupError, TypeError, ValueError):
            history.damaged += 1  # whole, and yet none of our lines: from a stranger, or after a line that was lost
    _look(history)
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


def _lines(path: Path, history: History, chain: Chain | None = None) -> Iterator[dict[str, Any]]:
    for entry in jsonl.read(path, chain):
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
        _look(history)
        history.order = entry.pop("order")
        _register(history, entry.get("claims", ()))
        history.runs.append(entry)
        _close_open_attempts(history)
    elif kind == "more":
        history.order += entry["order"]
    elif kind == "stop":
        history.runs[-1]["stopped"] = entry
    elif kind == "ledger" and entry["version"] not in (1, VERSION):
        found, allowed = f"version {entry['version']}", f"versions 1 and {VERSION}"
        raise LedgerError(Problem("written by another version of sweeper", str(sweep.ledger), "", found, allowed))


def claim_text(keys: Mapping[str, Any]) -> str:
    """What makes two claims the same: their keys but for the name, in one order."""
    return json.dumps({key: value for key, value in keys.items() if key != "name"}, sort_keys=True)


def _register(history: History, claims: Sequence[dict[str, Any]]) -> None:
    new = {claim_text(keys): keys for keys in claims if claim_text(keys) not in history.registered}
    if new:
        seen = frozenset(key for key, record in history.records.items() if record.state.is_result)
        run = len(history.runs)
        history.registered |= {text: Registration(keys, run, seen) for text, keys in new.items()}


def _look(history: History) -> None:
    """Called where a run is over, or the ledger: were all trials of the plan done, and more than at the last look?"""
    planned = history.planned()
    results = sum(record.state.is_result for record in planned)
    if all(record.ended for record in planned) and results > history.last_look:
        history.looks.append(len(history.runs) - 1)
        history.last_look = results


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
