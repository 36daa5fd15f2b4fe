"""What a worker does to its own process so that one trial does not change the next one.

A trial finds the process as the one before it found it, as far as that can be had: see "Between trials" in
sweeper/README.md for what is given back and what is not.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from sweeper.execution.worker import reasons

TORCH = {  # what reads a setting of torch: what sets it
    "get_default_dtype": "set_default_dtype",
    "is_grad_enabled": "set_grad_enabled",
    "are_deterministic_algorithms_enabled": "use_deterministic_algorithms",
    "get_float32_matmul_precision": "set_float32_matmul_precision",
    "get_default_device": "set_default_device",
}
SIGNALS = [
    signal.Signals[f"SIG{name}"] for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "ALRM", "CHLD", "PIPE")
]
ENDINGS = ("_exit", "execv", "execve")  # functions of `os` that end this process without an exception


@contextlib.contextmanager
def isolated(seed: object = None) -> Iterator[None]:
    """Give the process back as it was: environment, folder, paths, streams, signals, warnings, random numbers, torch.

    With a whole number as `seed` the global generators of random, numpy and torch begin from it.
    """
    undo = [_environment(), _folder(), _lists(), _streams(), _interpreter(), _signals(), _generators(seed), _torch()]
    try:
        with warnings.catch_warnings(), _endings_raise(), _descriptors_stay():
            yield
    finally:
        for give_back in undo:
            with contextlib.suppress(Exception):
                give_back()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators of random, numpy and torch begin from the seed, and go on as before after the block."""
    give_back = _generators(seed)
    try:
        yield
    finally:
        give_back()


@contextlib.contextmanager
def forks_end_here() -> Iterator[None]:
    """A process that the block forked ends where the block does, with whatever it did: it is no trial."""
    parent = os.getpid()
    code = 0
    try:
        yield
    except BaseException as error:
        if os.getpid() == parent:
            raise
        code = _exit_code(error)
        if not isinstance(error, SystemExit):
            reasons.log_traceback(error)
    finally:
        if os.getpid() != parent:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(code)


def _exit_code(error: BaseException) -> int:
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) else int(code is not None)


@contextlib.contextmanager
def _endings_raise() -> Iterator[None]:
    """`os._exit` and `os.exec...` end a trial, not the run with it: the run's exit code would be the trainer's."""
    this, before = os.getpid(), {name: getattr(os, name) for name in ENDINGS}

    def guarded(name: str) -> Callable[..., NoReturn]:
        def end(*args: Any) -> NoReturn:
            if os.getpid() != this:
                before[name](*args)
            raise SystemExit(f"os.{name}() was called: it would end the process of other trials")

        return end

    for name in ENDINGS:
        setattr(os, name, guarded(name))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(os, name, function)


@contextlib.contextmanager
def _descriptors_stay() -> Iterator[None]:
    """`os.close` and `os.closerange` close none of the files and sockets that the process had: Ray hangs without them.

    The standard streams may be closed: a trial has its own.
    """
    this, thread, before = os.getpid(), threading.get_ident(), (os.close, os.closerange)
    ours = {fd: found for fd in _open_descriptors() if (found := _identity(fd))}

    def is_ours(fd: int) -> bool:
        if os.getpid() != this or threading.get_ident() != thread:
            return False
        return fd in ours and ours[fd] == _identity(fd)  # else closed since, and the number was given to another file

    def close(fd: int) -> None:
        if is_ours(fd):
            raise OSError(errno.EBADF, "a descriptor of the process, not of the trial")
        before[0](fd)

    def closerange(fd_low: int, fd_high: int, /) -> None:
        first = fd_low
        for fd in sorted(fd for fd in ours if fd_low <= fd < fd_high and is_ours(fd)):
            before[1](first, fd)
            first = fd + 1
        before[1](first, fd_high)

    os.close, os.closerange = close, closerange
    try:
        yield
    finally:
        os.close, os.closerange = before


def _open_descriptors() -> list[int]:
    """The open files and sockets of this process, but for the standard streams; none where Linux does not list them."""
    with contextlib.suppress(OSError):
        return [fd for entry in Path("/proc/self/fd").iterdir() if (fd := int(entry.name)) > 2]
    return []


def _identity(fd: int) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.fstat(fd)
        return found.st_dev, found.st_ino
    return None


def _environment() -> Callable[[], None]:
    before = dict(os.environ)

    def give_back() -> None:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})

    return give_back


def _folder() -> Callable[[], None]:
    try:
        before = os.getcwd()  # noqa: PTH109
    except OSError:  # it was removed
        return lambda: None
    return lambda: os.chdir(before)


def _lists() -> Callable[[], None]:
    path, argv = list(sys.path), list(sys.argv)

    def give_back() -> None:
        sys.path[:], sys.argv[:] = path, argv

    return give_back


def _streams() -> Callable[[], None]:
    before = sys.stdin, sys.stdout, sys.stderr

    def give_back() -> None:
        sys.stdin, sys.stdout, sys.stderr = before

    return give_back


def _interpreter() -> Callable[[], None]:
    depth, collects = sys.getrecursionlimit(), gc.isenabled()

    def give_back() -> None:
        sys.setrecursionlimit(depth)
        (gc.enable if collects else gc.disable)()

    return give_back


def _signals() -> Callable[[], None]:
    """Handlers, and the timer that a trainer left: its signal would end the process in a later trial."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before, alarm = {number: signal.getsignal(number) for number in SIGNALS}, signal.getitimer(signal.ITIMER_REAL)

    def give_back() -> None:
        signal.setitimer(signal.ITIMER_REAL, *alarm)
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return give_back


def _generators(seed: object) -> Callable[[], None]:
    """The global generators of random numbers: without this a trial's numbers hang on those that ran before it."""
    numpy: Any = sys.modules.get("numpy")
    torch: Any = sys.modules.get("torch")
    state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    torch_state = torch.get_rng_state() if torch else None
    if isinstance(seed, int):
        random.seed(seed)
        if numpy:
            numpy.random.seed(seed % 2**32)
        if torch:
            seeding = torch if torch.cuda.is_available() else torch.default_generator  # ten times as fast
            seeding.manual_seed(seed % 2**63)

    def give_back() -> None:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(numpy_state)
        if torch:
            torch.set_rng_state(torch_state)

    return give_back


def _torch() -> Callable[[], None]:
    """The settings of torch; when the trial imports it, those that it is imported with."""

    def settings(torch: Any) -> list[Any]:
        return [getattr(torch, read)() for read in TORCH]

    torch: Any = sys.modules.get("torch")
    before = settings(torch) if torch else None

    def give_back() -> None:
        now: Any = sys.modules.get("torch")
        if now is None:
            return
        wanted = before or [now.float32, True, False, "highest", now.device("cpu")]
        for write, value, found in zip(TORCH.values(), wanted, settings(now), strict=True):
            if found != value:
                getattr(now, write)(None if value == now.device("cpu") else value)

    return give_back
