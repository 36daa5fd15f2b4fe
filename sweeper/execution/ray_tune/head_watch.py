"""Watches the head of a Ray cluster: should it be lost, Ray would end our process without a word after a minute."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from sweeper.errors import Problem, ScheduleError

EVERY_S = 2.0
MISSES = 4  # a head that is merely busy answers again by then
PATIENCE_S = 10.0


@contextlib.contextmanager
def watched(address: str, die: Callable[[ScheduleError], None]) -> Iterator[None]:
    """While the block runs, ScheduleError is raised in it when nobody listens at `address` (host:port) any more.

    Should Ray not let go of the main thread, `die` is called with it, in another one. Other addresses are not watched.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        yield
        return
    over = threading.Event()
    hint = "what has finished is safe; start a cluster again, or leave --address and RAY_ADDRESS out"
    error = ScheduleError(Problem("the head of the Ray cluster is lost", found=address, hint=hint))

    def watch() -> None:
        misses = 0
        while misses < MISSES:
            if over.wait(EVERY_S):
                return
            misses = 0 if _answers(host, int(port)) else misses + 1
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
        if not over.wait(PATIENCE_S):
            die(error)

    def lost(number: int, frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGUSR2, lost)
    threading.Thread(target=watch, name="sweeper-head", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGUSR2, before)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=EVERY_S).close()
    except OSError:
        return False
    return True
