"""The files of trials that have ended, between the driver's results folder and the storage.

What each archive is, and that workers on nodes without that folder write their own, is in `worker/trial_files.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sweeper.execution.worker.storage import Storage
from sweeper.execution.worker.trial_files import FOLDER, archive_name, attempt_of, packed, unpack

AT_ONCE = 8


class TrialArchives:
    """What a driver writes and fetches. Every method raises OSError where the storage does not answer, or refuses."""

    def __init__(self, storage: Storage, show: Callable[[str], None]) -> None:
        self.storage, self._show = storage, show
        self._stored = _newest(storage)  # the newest attempt of each trial whose files are there

    def holds(self, trial: str, attempt: int) -> bool:
        """Whether the storage has the files of this attempt, or of a later one."""
        return self._stored.get(trial, 0) >= attempt

    def exchange(self, attempts: Mapping[str, int], folder: Callable[[str], Path]) -> None:
        """Fetch the files of these trials that workers elsewhere have stored, and store those that are here only."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda trial: self._exchange(trial, attempts[trial], folder(trial)), attempts):
                pass

    def _exchange(self, trial: str, attempt: int, folder: Path) -> None:
        if self.holds(trial, attempt):
            if folder.is_dir():
                return
            attempt = self._stored[trial]
        name = _path(trial, attempt)
        if self.holds(trial, attempt) or self.storage.exists(name):
            if problem := _fetched(self.storage, name, folder):
                self._show(problem)
        elif content := packed(folder):
            self.storage.write(name, content)
        else:
            return  # lost with its node, say: files of an earlier attempt stay
        for earlier in range(1, attempt):
            self.storage.remove(_path(trial, earlier))
        self._stored[trial] = attempt


def fetch(storage: Storage, folder: Callable[[str], Path]) -> list[str]:
    """Unpack all archives, each into the folder of its trial. Returns what is wrong with any. Raises OSError."""
    newest = _newest(storage)

    def fetched(trial: str) -> str:
        return _fetched(storage, _path(trial, newest[trial]), folder(trial))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [problem for problem in pool.map(fetched, newest) if problem]


def _fetched(storage: Storage, name: str, folder: Path) -> str:
    """Unpack an archive. Returns what is wrong with it, or ""."""
    try:
        unpack(storage.read(name), folder)
    except ValueError as error:
        return f"the files of a trial are damaged in the storage and were left there: {name}, {error}"
    return ""


def _newest(storage: Storage) -> dict[str, int]:
    found = filter(None, map(attempt_of, storage.names(FOLDER)))
    return dict(sorted(found, key=lambda one: one[1]))


def _path(trial: str, attempt: int) -> str:
    return f"{FOLDER}/{archive_name(trial, attempt)}"
