"""The signals that stop a run."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

from sweeper.errors import Exit

TWICE_S = 1.0  # a scheduler signals all processes of a job, and its script passes the signal on: that is one signal
T = TypeVar("T")


def stopping_signals() -> dict[signal.Signals, Exit]:
    """The signals that stop a run, with their exit codes. Under `nohup` a closed terminal is none of them."""
    codes = dict.fromkeys((signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP), Exit.TERMINATED)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        del codes[signal.SIGHUP]
    return {signal.SIGINT: Exit.INTERRUPTED, **codes}


@contextlib.contextmanager
def interruptible(interrupt: Callable[[Exit], None]) -> Iterator[None]:
    """While the block runs, Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal call `interrupt` with their exit code.

    Each Ctrl-C counts; of the others one per second does. Python gives signals to the main thread only: in another
    one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    codes = stopping_signals()
    latest = -TWICE_S

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal latest
        is_again, latest = time.monotonic() - latest < TWICE_S, time.monotonic()
        if number == signal.SIGINT or not is_again:
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


def in_thread(call: Callable[[], T]) -> T:
    """What a call returns, or raises, in a thread of its own: Python handles no signal while its main thread is in C.

    A signal that ends this process ends it at once: pyarrow would wait for the answer to its last request.
    """
    done: Future[T] = Future()

    def work() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # SystemExit too, else the wait would not end
            done.set_exception(error)

    threading.Thread(target=work, name="sweeper-call", daemon=True).start()
    try:
        return done.result()
    except SystemExit as end:
        if not done.done():  # a signal's, not the call's
            atexit.register(os._exit, int(end.code or 0))  # before what was registered earlier
        raise
