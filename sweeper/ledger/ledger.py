"""The durable record of a results folder: one append-only ledger a sweep, one writer, one flushed line an event.

    RESULTS/mlflow.db, RESULTS/mlartifacts/    the MLflow mirror of all sweeps (can be deleted and rebuilt)
    RESULTS/NAME/sweep.yaml                    the file as last run, overrides applied
    RESULTS/NAME/ledger.jsonl                  the truth: runs, trials, starts, ends
    RESULTS/NAME/curves.jsonl                  every report of every trial
    RESULTS/NAME/trials/KEY/                   a trial's log, checkpoints and files
    RESULTS/NAME/patches/                      what differed from the commit, where a run began with changed files
    RESULTS/NAME/commands/                     what somebody asks of the run (`commands.py`)
    RESULTS/NAME/lock                          who writes
    RESULTS/NAME/steps.json                    while a run writes: the steps since the last reports (`live_steps.py`)

A line is a JSON object that ends with a CRC-32 of what stands before it. Lines are only ever added; a torn or damaged
line is skipped and counted, never trusted. A line of the ledger also carries the hash of the one before (`chain.py`).
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterable, Mapping
from types import TracebackType

from sweeper.errors import LedgerError, Problem
from sweeper.ledger import jsonl, lock
from sweeper.ledger.atomic import cannot_write, replace_file
from sweeper.ledger.chain import GENESIS, digest
from sweeper.ledger.entries import ClaimLook
from sweeper.ledger.history import VERSION, History, ledger_size
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Ended, Event, Reported, Started, Trial

SYNC_S = 0.1  # waiting for the disk costs milliseconds: short trials share it
CHECK_S = 1.0  # reports come often: after so long one finds out that the folder is gone


class Ledger:
    """The one writer of a sweep's ledger; holds the sweep's lock while it is open.

    `found_bytes` is how long the ledger was when the lock was taken. `take_over` takes it from its holder: for a host
    that died while a network file system goes on believing in it; a living holder stops at its next event.
    Raises LedgerError when another process holds the lock, or the folder cannot be written.
    """

    def __init__(self, sweep: SweepDir, *, take_over: bool = False) -> None:
        self.sweep, self._take_over = sweep, take_over
        self._synced = self._checked = 0.0

    def __enter__(self) -> Ledger:
        try:
            self.sweep.folder.mkdir(parents=True, exist_ok=True)
            self._place, self._lock_place = self.sweep.ledger, self.sweep.lock  # checked for links once: it takes long
            self._lock = lock.take(self._lock_place, take_over=self._take_over)
            self.found_bytes = ledger_size(self.sweep)
            last = jsonl.last_whole_line(self.sweep.ledger)
            self._ledger = jsonl.open_for_append(self.sweep.ledger)
            self._curves = jsonl.open_for_append(self.sweep.curves)
        except OSError as error:
            raise cannot_write(self.sweep.folder, error) from error
        self._head = digest(last) if last else GENESIS
        if b'"prev":"' not in last:  # nothing yet, or lines of a version that could not read ours
            self._append({"e": "ledger", "version": VERSION})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        for handle in (self._curves, self._ledger, self._lock):
            os.close(handle)

    def run(self, text: str, provenance: Mapping[str, object], trials: Iterable[Trial], known: History) -> None:
        """Begin a run: the file as run, where it runs, its trials in order.

        Those not `known` yet are described, as are those of which the file now varies or names other settings.
        """
        trials = list(trials)
        replace_file(self.sweep.spec, text)
        for trial in trials:
            if trial.key in known.undescribed or not known.describes(trial):
                self.trial(trial)
        entry = {"e": "run", "at": time.time(), "pid": os.getpid(), **provenance, "order": [t.key for t in trials]}
        self._append(entry)
        self._sync()

    def more(self, trials: Iterable[Trial]) -> None:
        """Add trials to the sweep in mid-run: a searcher proposed them."""
        trials = list(trials)
        for trial in trials:
            self.trial(trial)
        self._append({"e": "more", "order": [trial.key for trial in trials]})

    def look(self, claims: Iterable[ClaimLook]) -> None:
        """Claims were judged at the end of a batch of seeds."""
        fields = ("claim", "configs", "look", "seeds", "level", "outcome", "test")
        written = [{name: getattr(one, name) for name in fields} for one in claims]
        self._append({"e": "look", "at": time.time(), "claims": written})
        self._sync()

    def command(self, entry: Mapping[str, object]) -> None:
        """Somebody steers the run: what was asked, by whom, when and why, and what it does."""
        self._append({"e": "command", "at": time.time(), **entry})
        self._sync()

    def trial(self, trial: Trial) -> None:
        """Describe a trial."""
        entry = {"e": "trial", "trial": trial.key, "config": trial.config, "seed": trial.seed, "params": trial.params}
        entry |= {"varied": list(trial.varied), "trainer": trial.trainer, "code": trial.code}
        self._append(entry)

    def record(self, event: Event) -> None:
        """Write an event down: it outlives this process at once. It outlives a power cut when a moment has passed."""
        if isinstance(event, Reported):
            if time.monotonic() - self._checked > CHECK_S:
                self._check_place()
            self._write(self._curves, jsonl.encode(_fields(event)))
            return
        self._check_place()
        self._append({"e": "start" if isinstance(event, Started) else "end", **_fields(event)})
        if isinstance(event, Ended) and time.monotonic() - self._synced > SYNC_S:
            self._sync()

    def stop(self, exit_code: int, mirror: str) -> None:
        """End a run. `mirror` is the MLflow store that has everything, "" when it lacks something."""
        self._append({"e": "stop", "at": time.time(), "exit": exit_code, "mirror": mirror})

    def _sync(self) -> None:
        for handle in (self._curves, self._ledger):  # in this order: an end without its curve would be a lie
            with contextlib.suppress(OSError):
                os.fsync(handle)
        self._synced = time.monotonic()

    def _check_place(self) -> None:
        """What is written must still be where the sweep's readers, and its next run, look for it."""
        self._checked, place = time.monotonic(), str(self.sweep.folder)
        if not lock.is_ours(self._ledger, self._place):
            hint = "MLflow keeps what it has shown of them; a folder that was only moved can be moved back"
            message = "the folder was deleted or moved while the sweep ran; the results in it are lost"
            raise LedgerError(Problem(message, place, hint=hint))
        if not self._lock_place.exists():
            hint = "nothing is lost; delete no file of a sweep that runs"
            raise LedgerError(Problem("the lock was deleted while the sweep ran", place, hint=hint))
        if not lock.is_ours(self._lock, self._lock_place):
            raise LedgerError(Problem("another run has taken this sweep over", place))

    def _append(self, entry: Mapping[str, object]) -> None:
        line = jsonl.encode({**entry, jsonl.PREVIOUS: self._head})
        self._write(self._ledger, line)
        self._head = digest(line[:-1])

    def _write(self, handle: int, line: bytes) -> None:
        try:
            if os.write(handle, line) != len(line):
                raise OSError("only part of a line could be written; is the disk full?")
        except OSError as error:
            raise cannot_write(self.sweep.folder, error) from error


def _fields(event: Event) -> dict[str, object]:
    fields = {name: getattr(event, name) for name in event.__slots__}
    if not isinstance(event, Started):
        # JSON has no word for these: written as text, read back by float().
        fields["metrics"] = {k: v if math.isfinite(v) else str(v) for k, v in event.metrics.items()}
    return fields
