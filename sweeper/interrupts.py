"""The signals that stop a run in good order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from sweeper.errors import Exit
from sweeper.session import Session


@contextlib.contextmanager
def interruptible(session: Session) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal stop the session in good order while the block runs."""
    codes = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}
    codes |= {signal.SIGUSR1: Exit.TERMINATED, signal.SIGHUP: Exit.TERMINATED}

    def handle(number: int, frame: FrameType | None) -> None:
        session.interrupt(codes[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in codes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
