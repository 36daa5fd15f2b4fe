"""Whether the head of a Ray cluster still answers: without it Ray ends our process silently after a minute."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

from sweeper.errors import Problem, ScheduleError

EVERY_S, TIMEOUT_S = 2.0, 2.0
MISSES = 4  # a head that is merely busy answers again by then
HINT = "what has finished is safe; if --address or RAY_ADDRESS names a cluster, start it again or leave them out"


class HeadLost(ScheduleError):
    """Nothing answers for the cluster any more."""


@dataclass(slots=True)
class HeadWatch:
    """The head at `address` (host:port; other addresses are not watched). Times are monotonic seconds."""

    address: str
    misses: int = 0
    checked: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Connect to the head, at most every EVERY_S. Raises HeadLost after MISSES failures in a row."""
        if time.monotonic() < self.checked + EVERY_S:
            return
        try:
            connect(self.address, TIMEOUT_S)
            self.misses = 0
        except OSError:
            self.misses += 1
        self.checked = time.monotonic()
        if self.misses >= MISSES:
            raise HeadLost(Problem("the head of the Ray cluster is lost", found=self.address, hint=HINT))


def connect(address: str, timeout_s: float) -> None:
    """Connect to a head once. Raises OSError when it does not answer; `auto`, `local` and "" are not tried."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=timeout_s).close()
