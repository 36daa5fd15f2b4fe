"""Drivers for tests: one that remembers what workers send, and a real one in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Event


class Notebook:
    """Writes events down; `stops` and `cancels` are asked with the number of events so far."""

    def __init__(
        self,
        stops: Callable[[int], bool] = lambda count: False,
        cancels: Callable[[int], bool] = lambda count: False,
        waiting: Iterable[Job] = (),
    ) -> None:
        self.events: list[Event] = []
        self.verdicts: dict[str, StopOrder] = {}
        self.steps: dict[str, int] = {}
        self.stops, self.cancels, self.waiting = stops, cancels, deque(waiting)

    def send(self, event: Event) -> None:
        self.events.append(event)

    def progress(self, trial: str, step: int) -> None:
        self.steps[trial] = step

    def verdict(self, trial: str) -> StopOrder | None:
        return self.verdicts.get(trial)

    def is_stopping(self) -> bool:
        return self.stops(len(self.events)) or self.is_cancelled()

    def is_cancelled(self) -> bool:
        return self.cancels(len(self.events))

    def more(self, count: int, *, wait: bool) -> list[Job]:
        return [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]


class DriverProcess:
    """A command in a process group of its own, as people and schedulers start and stop one; `news` is its stderr."""

    def __init__(self, command: Sequence[str], folder: Path, news: Path) -> None:
        self.news = news
        with news.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd=folder, stderr=stream, start_new_session=True)

    def wait_for_more(self, path: Path, text: bytes = b"\n", count: int = 1, timeout_s: float = 120.0) -> None:
        """Wait until `text` stands `count` times more often in a file than now."""
        wanted, until = _occurrences(path, text) + count, time.monotonic() + timeout_s
        while _occurrences(path, text) < wanted:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.news.read_text()}"
            assert time.monotonic() < until, f"no more {text!r} in {path.name}"
            time.sleep(0.02)

    def stop(self, number: signal.Signals, presses: int = 1) -> int:
        """Send a signal, several times if it must; returns the exit code."""
        for _ in range(presses):
            os.kill(self.process.pid, number)
            time.sleep(0.3)
        return self.process.wait(120)

    @property
    def last_line(self) -> str:
        return (self.news.read_text().splitlines() or [""])[-1]


def _occurrences(path: Path, text: bytes) -> int:
    return path.read_bytes().count(text) if path.exists() else 0
