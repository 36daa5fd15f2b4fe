"""What a thread writes to storage, tried again until it is taken: training waits for none of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sweeper.execution.worker.reasons import log

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0  # between attempts to reach a storage that does not answer
HOPELESS = 3  # attempts that failed in a row: such a storage is not waited for
T = TypeVar("T")


class Uploads(Generic[T]):
    """Changes by the names of what they change; of each name only the newest waits. `make` makes one, and may raise."""

    def __init__(self, make: Callable[[str, T], None], what: str) -> None:
        self._make, self._what = make, what
        self._waiting: dict[str, T] = {}
        self._changed = threading.Condition()
        self._failures = 0
        self._thread: threading.Thread | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._waiting

    def add(self, name: str, change: T, merge: Callable[[T, T], None] = lambda before, change: None) -> None:
        """Let it be made; `merge` puts into it what is still to be done of the one that waited before."""
        with self._changed:
            if before := self._waiting.get(name):
                merge(before, change)
            self._waiting[name] = change
            if self._thread is None or not self._thread.is_alive():  # none in the fork of a process that has one
                self._thread = threading.Thread(target=self._work, name="sweeper-storage", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, limit_s: float) -> bool:
        """Wait until everything is written, at most so long, and not for a storage that does not answer."""
        with self._changed:
            done = lambda: not self._waiting or self._failures >= HOPELESS  # noqa: E731
            self._changed.wait_for(done, limit_s)
            return not self._waiting

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                name, change = next(iter(self._waiting.items()))
            try:
                self._make(name, change)
            except Exception as error:  # whatever a storage does, it must not end the thread
                self._failed(name, error)
            else:
                with self._changed:
                    self._failures = 0
                    if self._waiting.get(name) is change:
                        del self._waiting[name]
                    self._changed.notify_all()

    def _failed(self, name: str, error: Exception) -> None:
        with self._changed:
            self._failures += 1
            self._waiting[name] = self._waiting.pop(name)  # the others first
            self._changed.notify_all()
        if self._failures == 1:
            log(f"the storage does not take {self._what}, tried again until it does: {one_line(error)}")
        time.sleep(pause_s(self._failures))


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row: longer each time, and not all workers at the same moment."""
    longest = min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 10), LONGEST_WAIT_S)
    return longest * random.uniform(0.5, 1.0)


def one_line(error: BaseException) -> str:
    """What a storage gave as the reason, or the kind of error where it gave none."""
    return " ".join(str(error).split())[:300] or type(error).__name__
