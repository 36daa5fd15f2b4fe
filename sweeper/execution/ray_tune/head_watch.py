"""Whether the head of a Ray cluster still answers: without it Ray ends our process silently after a minute.

Without its raylet, which the kernel may kill where memory is short, our own Ray does so after ten seconds.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from sweeper.errors import Problem, ScheduleError

EVERY_S, TIMEOUT_S = 2.0, 2.0
MISSES = 4  # a head that is merely busy answers again by then
HINT = "what has finished is safe; if --address or RAY_ADDRESS names a cluster, start it again or leave them out"
KILLED = "what has finished is safe; was memory short? resources.max_concurrent and resources.pack make a run smaller"


class HeadLost(ScheduleError):
    """Nothing answers for the cluster any more, or the raylet of our own Ray is gone."""


@dataclass(slots=True)
class HeadWatch:
    """The head at `address` (host:port; other addresses are not watched) and the processes of our own Ray.

    Times are monotonic seconds.
    """

    address: str
    own: Sequence[psutil.Process] = ()
    misses: int = 0
    checked: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Look at both, at most every EVERY_S. Raises HeadLost after MISSES failures, or for an ended process."""
        if time.monotonic() < self.checked + EVERY_S:
            return
        if not all(map(_is_alive, self.own)):
            raise HeadLost(Problem("a process of Ray was killed: its raylet, which starts the workers", hint=KILLED))
        try:
            connect(self.address, TIMEOUT_S)
            self.misses = 0
        except OSError:
            self.misses += 1
        self.checked = time.monotonic()
        if self.misses >= MISSES:
            raise HeadLost(Problem("the head of the Ray cluster is lost", found=self.address, hint=HINT))


def raylets() -> list[psutil.Process]:
    """The raylet that this process started, if Ray still names it so."""
    return [child for child in psutil.Process().children() if child.name() == "raylet"]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def connect(address: str, timeout_s: float) -> None:
    """Connect to a head once. Raises OSError when it does not answer; `auto`, `local` and "" are not tried."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=timeout_s).close()
