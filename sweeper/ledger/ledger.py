"""The durable record of a results folder: one append-only ledger a sweep, one writer, one flushed line an event.

    RESULTS/mlflow.db, RESULTS/mlartifacts/    the MLflow mirror of all sweeps (can be deleted and rebuilt)
    RESULTS/NAME/sweep.yaml                    the file as last run, overrides applied
    RESULTS/NAME/ledger.jsonl                  the truth: runs, trials, starts, ends
    RESULTS/NAME/curves.jsonl                  every report of every trial
    RESULTS/NAME/trials/KEY/                   a trial's log, checkpoints and files
    RESULTS/NAME/patches/                      what differed from the commit, where a run began with changed files
    RESULTS/NAME/lock                          who writes

A line is a JSON object that ends with a CRC-32 of what stands before it. Lines are only ever added; a torn or damaged
line is skipped and counted, never trusted.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from sweeper.errors import LedgerError, Problem
from sweeper.ledger import atomic, jsonl, lock
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial

VERSION = 1
SYNC_S = 0.1  # waiting for the disk costs milliseconds: short trials share it
KEY = re.compile("[0-9a-f]{16}")
# Until November 2026 this was written for trials of a pack that had only stopped at a checkpoint: they are pending.
NO_FAILURE = "trainer contract: train_pack() returned before this member had ended"


@dataclass(frozen=True, slots=True)
class SweepDir:
    """The folder of one sweep; every path below it is made here. `name` was validated: it cannot leave `results`."""

    results: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.results / self.name

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def curves(self) -> Path:
        return self.folder / "curves.jsonl"

    @property
    def spec(self) -> Path:
        return self.folder / "sweep.yaml"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def trial(self, key: str) -> Path:
        return self.folder / "trials" / key

    def patch(self, digest: str) -> Path:
        return self.folder / "patches" / f"{digest}.patch"


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


def sweeps(results: Path) -> list[SweepDir]:
    """The sweeps of a results folder, by name."""
    return [SweepDir(results, path.parent.name) for path in sorted(results.glob("*/ledger.jsonl"))]


def holds_code(results: Path, code: str) -> bool:
    """Whether some ledger of the results folder holds a trial of the trainer code with this digest."""
    entry = f'"code":"{code}"'.encode()
    return bool(code) and any(entry in sweep.ledger.read_bytes() for sweep in sweeps(results))


def size(sweep: SweepDir) -> int:
    """The length of a sweep's ledger in bytes: 0 where there is none. It only ever grows."""
    return sweep.ledger.stat().st_size if sweep.ledger.exists() else 0


def read(sweep: SweepDir, *, curves: bool = False) -> History:
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


class Ledger:
    """The one writer of a sweep's ledger; holds the sweep's lock while it is open.

    `found_bytes` is how long the ledger was when the lock was taken. `take_over` takes it from whoever holds it: for a
    host that died while a network file system goes on believing in it; a living holder stops at its next event.
    Raises LedgerError when another process holds the lock, or the folder cannot be written.
    """

    def __init__(self, sweep: SweepDir, *, take_over: bool = False) -> None:
        self.sweep, self._take_over, self._synced = sweep, take_over, 0.0

    def __enter__(self) -> Ledger:
        try:
            self.sweep.folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock.take(self.sweep.lock, take_over=self._take_over)
            self.found_bytes = size(self.sweep)
            self._ledger = jsonl.open_for_append(self.sweep.ledger)
            self._curves = jsonl.open_for_append(self.sweep.curves)
        except OSError as error:
            raise _cannot_write(self.sweep.folder, error) from error
        if os.fstat(self._ledger).st_size == 0:
            self._write(self._ledger, {"e": "ledger", "version": VERSION})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        for handle in (self._curves, self._ledger, self._lock):
            os.close(handle)

    def run(self, text: str, provenance: Mapping[str, object], trials: Iterable[Trial], known: History) -> None:
        """Begin a run: the file as run, where it runs, its trials in order (those not `known` yet are described)."""
        trials = list(trials)
        replace_file(self.sweep.spec, text)
        for trial in trials:
            if trial.key not in known.records:
                self.trial(trial)
        entry = {"e": "run", "at": time.time(), "pid": os.getpid(), **provenance, "order": [t.key for t in trials]}
        self._write(self._ledger, entry)
        self._sync()

    def more(self, trials: Iterable[Trial]) -> None:
        """Add trials to the sweep in mid-run: a searcher proposed them."""
        trials = list(trials)
        for trial in trials:
            self.trial(trial)
        self._write(self._ledger, {"e": "more", "order": [trial.key for trial in trials]})

    def trial(self, trial: Trial) -> None:
        """Describe a trial."""
        entry = {"e": "trial", "trial": trial.key, "config": trial.config, "seed": trial.seed, "params": trial.params}
        entry |= {"varied": list(trial.varied), "trainer": trial.trainer, "code": trial.code}
        self._write(self._ledger, entry)

    def record(self, event: Event) -> None:
        """Write an event down: it outlives this process at once. It outlives a power cut when a moment has passed."""
        if isinstance(event, Reported):
            self._write(self._curves, _fields(event))
            return
        self._check_lock()
        self._write(self._ledger, {"e": "start" if isinstance(event, Started) else "end", **_fields(event)})
        if isinstance(event, Ended) and time.monotonic() - self._synced > SYNC_S:
            self._sync()

    def stop(self, exit_code: int, mirror: str) -> None:
        """End a run in good order. `mirror` is the MLflow store that has everything, "" when it lacks something."""
        self._write(self._ledger, {"e": "stop", "at": time.time(), "exit": exit_code, "mirror": mirror})

    def _sync(self) -> None:
        for handle in (self._curves, self._ledger):  # in this order: an end without its curve would be a lie
            with contextlib.suppress(OSError):
                os.fsync(handle)
        self._synced = time.monotonic()

    def _check_lock(self) -> None:
        if not lock.is_ours(self._lock, self.sweep.lock):
            raise LedgerError(Problem("another run has taken this sweep over", str(self.sweep.folder)))

    def _write(self, handle: int, entry: Mapping[str, object]) -> None:
        try:
            line = jsonl.encode(entry)
            if os.write(handle, line) != len(line):
                raise OSError("only part of a line could be written; is the disk full?")
        except OSError as error:
            raise _cannot_write(self.sweep.folder, error) from error


def replace_file(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all. Raises LedgerError."""
    try:
        with atomic.replaced(path) as beside:
            beside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


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


def _fields(event: Event) -> dict[str, object]:
    fields = {name: getattr(event, name) for name in event.__slots__}
    if not isinstance(event, Started):
        # JSON has no word for these: written as text, read back by float().
        fields["metrics"] = {k: v if math.isfinite(v) else str(v) for k, v in event.metrics.items()}
    return fields


def _floats(metrics: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _cannot_write(path: Path, error: OSError) -> LedgerError:
    hint = "choose another folder with --results, or make room; run the same command to continue"
    return LedgerError(Problem(f"cannot be written: {error.strerror or error}", str(path), hint=hint))
