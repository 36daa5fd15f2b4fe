"""The signals that stop a run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from sweeper.errors import Exit


@contextlib.contextmanager
def interruptible(interrupt: Callable[[Exit], None]) -> Iterator[None]:
    """While the block runs, Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal call `interrupt` with their exit code."""
    codes = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}
    codes |= {signal.SIGUSR1: Exit.TERMINATED, signal.SIGHUP: Exit.TERMINATED}

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt(codes[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in codes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def restore(handlers: dict[signal.Signals, Any]) -> None:
    """Give the signals their handlers back: a library may have put its own there, in C unseen by `signal.getsignal`."""
    for number, handler in handlers.items():
        signal.signal(number, handler)
