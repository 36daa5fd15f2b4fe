"""The copy of a running sweep in its storage: ledger, curves, and the files of trials that have ended.

URL/SWEEP/driver.json    who drives it (`storage_lock.py`)
URL/SWEEP/ledger/        the files of the results folder (`stored_files.py`)
URL/SWEEP/files/         the files of trials (`trial_archives.py`)
URL/SWEEP/trials/        checkpoints, written by workers (`worker/stored_checkpoints.py`)
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sweeper.errors import LedgerError, Problem, UsageError
from sweeper.execution.stored.storage_lock import StorageLock
from sweeper.execution.stored.stored_files import StoredFiles
from sweeper.execution.stored.trial_archives import TrialArchives
from sweeper.execution.worker.storage import Storage, below
from sweeper.execution.worker.uploads import HOPELESS, one_line, pause_s
from sweeper.ledger import jsonl
from sweeper.ledger.history import History, ledger_size
from sweeper.ledger.paths import SweepDir
from sweeper.spec.sweep import Sweep
from sweeper.trial import Ended, Event, Reported, Trial

EVERY_S = 2.0  # between two copies at least, and four times as long as the last one took
END_S = 60.0  # how long the end of a run waits
NOT_COPIED = ("lock", "report.html", "steps.json")


class SweepCopy:
    """Copies what a run writes, in a thread, after every batch of events. A watcher of the run's events.

    No outage stops or delays the run: what is missing is written when the storage answers again. Only a driver
    elsewhere that took the sweep over does.
    """

    def __init__(self, sweep: Sweep, folder: SweepDir, show: Callable[[str], None]) -> None:
        self._url, self._folder, self._show = below(sweep.storage, sweep.name), folder, show
        self._ended: dict[str, int] = {}  # attempts of trials whose files are to be written
        self._length = 0  # of the ledger, as far as the files of its trials are known to be here
        self._wake, self._lock, self._ending, self._failures = threading.Event(), threading.Lock(), False, 0
        self._thread = threading.Thread(target=self._work, name="sweeper-copy", daemon=True)

    def begin(self, history: History, *, take_over: bool) -> None:
        """Take the lock of the storage. Raises LedgerError, and UsageError where the storage cannot be used."""
        try:
            storage = Storage.at(self._url)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from None
        self._taken = StorageLock(storage)
        try:
            self._taken.take(self._show, take_over=take_over)
            self._files, self._archives = StoredFiles(storage), TrialArchives(storage, self._show)
            if not self._files.holds(jsonl.contents(self._folder.ledger), self._folder.ledger.name):
                raise ValueError("it has other results of a sweep of this name")
            self._files.tidy()
        except (OSError, ValueError) as error:
            self._taken.release()
            raise self._unusable(error) from None
        here = {place.name for place in self._folder.path("trials").glob("[!.]*")}
        known = {key: record.attempt for key, record in history.records.items() if record.state.is_result}
        self._ended = {key: one for key, one in known.items() if self._archives.holds(key, one) != (key in here)}
        self._length = ledger_size(self._folder)
        self._wake.set()
        self._thread.start()

    def _unusable(self, error: Exception) -> UsageError:
        hint = "continue what is stored with `--from` and the storage's address, or use another name or storage"
        return UsageError(Problem("the storage cannot be used", self._url, found=one_line(error), hint=hint))

    def push(self, trial: Trial, event: Event) -> None:
        """An event was written to the ledger. Raises LedgerError where another driver has taken the sweep over."""
        if self._taken.lost_to:
            raise LedgerError(Problem("another run has taken this sweep over", self._url, found=self._taken.lost_to))
        if not isinstance(event, Reported):
            with self._lock:
                if isinstance(event, Ended) and not event.retry:
                    self._ended[event.trial] = event.attempt
                self._length = ledger_size(self._folder)
        self._wake.set()

    def close(self) -> str:
        """Write the end of the run, and free the lock. Returns what the storage lacks, or ""."""
        with self._lock:
            self._length = ledger_size(self._folder)
        self._ending = True
        self._wake.set()
        self._thread.join(END_S)
        is_whole = not (self._thread.is_alive() or self._failures)
        self._taken.release()
        return "" if is_whole else "the storage lacks the end of this run; when it answers, run the same command again"

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()  # before anything is read: what comes next wakes it again
            is_last, began = self._ending, time.monotonic()
            try:
                self._copy()
                self._failures, wait_s = 0, max(EVERY_S, 4 * (time.monotonic() - began))
            except Exception as error:  # whatever a storage does, it must not end the thread
                wait_s = self._failed(error)
            if is_last and self._is_settled():
                return
            if self._failures:
                self._wake.set()
            self._wait(wait_s)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (self._ending and self._is_settled()):
            time.sleep(0.05)

    def _is_settled(self) -> bool:
        """Whether the last copy was made, or so many failed that the end of the run does not wait for another."""
        return not self._failures or self._failures >= HOPELESS

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        if self._failures == 1:
            self._show(f"the storage does not take the ledger, tried again until it does: {one_line(error)}")
        return pause_s(self._failures)

    def _copy(self) -> None:
        """Files of trials first: an end in the storage without them would be a lie."""
        if not self._taken.is_ours():
            return
        with self._lock:
            ended, length = dict(self._ended), self._length
        self._archives.exchange(ended, self._folder.trial)
        lengths = {name: path.stat().st_size for name, path in self._paths()}
        self._files.copy(self._folder.folder, lengths | {self._folder.ledger.name: length})
        with self._lock:
            self._ended = {key: attempt for key, attempt in self._ended.items() if ended.get(key) != attempt}

    def _paths(self) -> Iterator[tuple[str, Path]]:
        """The files of the results folder, but for those of trials."""
        for place in (self._folder.folder, self._folder.path("patches")):
            for path in sorted(place.glob("[!.]*")):
                if path.name not in NOT_COPIED and path.is_file() and not path.is_symlink():
                    yield path.relative_to(self._folder.folder).as_posix(), path


@contextlib.contextmanager
def copied(
    sweep: Sweep, folder: SweepDir, history: History, show: Callable[[str], None], *, take_over: bool
) -> Iterator[Sequence[SweepCopy]]:
    """The copy of a run while the block lasts; none where the sweep has no storage. Raises as `begin` does."""
    if not sweep.storage:
        yield ()
        return
    copy = SweepCopy(sweep, folder, show)
    copy.begin(history, take_over=take_over)
    try:
        yield (copy,)
    finally:
        if problem := copy.close():
            show(problem)


def is_stored(sweep: Sweep, folder: SweepDir) -> bool:
    """Whether the storage of a sweep has the whole ledger; also where the sweep has no storage."""
    if not sweep.storage:
        return True
    try:
        stored = StoredFiles(Storage.at(below(sweep.storage, sweep.name)))
    except (OSError, ValueError):
        return False
    return stored.length(folder.ledger.name) == ledger_size(folder)
