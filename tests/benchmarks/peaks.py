"""How much memory processes held at most. Not by `wait4`: its figure includes what the parent held when it forked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

LOOK_EVERY_S = 0.05


class Peak(threading.Thread):
    """The largest peak of the processes that `find` names; the system keeps each one's (VmHWM), until it ends."""

    def __init__(self, find: Callable[[], Iterable[int]]) -> None:
        super().__init__(daemon=True)
        self.find, self.megabytes, self.over = find, 0.0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(LOOK_EVERY_S):
            self.megabytes = max([self.megabytes, *map(_peak, self.find())])

    def __enter__(self) -> Peak:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def _peak(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0
