"""Where the standard streams of a worker go while a trial runs: its log, of a few megabytes at most."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

KEPT = 2**20  # bytes of the beginning, and as many of the end, that stay of a long log
LONGEST = 4 * KEPT
LOOK_S = 0.2
LEFT_OUT = re.compile(rb"\n\[(\d+) bytes left out\]\n")


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send what this process writes to its standard streams, below Python too, to the end of the file at `path`.

    Where that cannot be written it goes nowhere: a full disk costs the log, not the trial. The block may close
    `sys.stdout` and `sys.stderr`: those that it finds are of its own, and the process keeps its descriptors. The middle
    of a log that grows beyond LONGEST is replaced by a line with the number of bytes left out.
    """
    saved, log = (os.dup(1), os.dup(2)), _open_log(path)
    streams = (sys.stdout, sys.stderr)
    _flush()
    _shortener.add(path)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = _stream(1), _stream(2)
        yield
    finally:
        _flush()
        sys.stdout, sys.stderr = streams
        for descriptor, before in enumerate(saved, start=1):
            os.dup2(before, descriptor)
        for handle in (*saved, log):
            os.close(handle)
        _shortener.remove(path)
        shorten(path)


def shorten(path: Path) -> None:
    """Replace the middle of a log that is too long. What is not written by Python's streams may be lost meanwhile."""
    with contextlib.suppress(OSError), _changing(path) as log, _shortener.lock:
        if os.fstat(log).st_size <= LONGEST:
            return
        before = LEFT_OUT.match(os.pread(log, 64, KEPT))
        last = os.pread(log, KEPT, os.fstat(log).st_size - KEPT)
        size = os.fstat(log).st_size  # with what has come since
        count = size - 2 * KEPT + (int(before[1]) - len(before[0]) if before else 0)
        text = b"\n[%d bytes left out]\n%s" % (count, last)
        os.pwrite(log, text, KEPT)
        os.ftruncate(log, KEPT + len(text))


class _LogShortener:
    """The logs being written, which a thread of this process looks at. Starting a thread for each trial took 3 ms."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin with none: a fork has no thread, and its locks as they were held."""
        self.lock = threading.RLock()  # of a print and of a shortening; a signal's handler may print during a print
        self._paths: set[Path] = set()
        self._some = threading.Condition()
        self._has_thread = False

    def add(self, path: Path) -> None:
        with self._some:
            self._paths.add(path)
            self._some.notify()
            if not self._has_thread:
                self._has_thread = True
                threading.Thread(target=self._look, name="sweeper-log", daemon=True).start()

    def remove(self, path: Path) -> None:
        with self._some:
            self._paths.discard(path)

    def _look(self) -> None:
        while True:
            with self._some:
                self._some.wait_for(lambda: self._paths)
                paths = list(self._paths)
            for path in paths:
                shorten(path)
            time.sleep(LOOK_S)


_shortener = _LogShortener()


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)  # not the log's own descriptor, which only appends
    try:
        yield handle
    finally:
        os.close(handle)


def _open_log(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


class _LogFile(io.FileIO):
    """What cannot be written is lost: a `print` on a full disk must not end a trial."""

    def write(self, data: Buffer) -> int:
        try:
            with _shortener.lock:  # what is written between a shortening's read and its cut would be lost
                return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _stream(descriptor: int) -> TextIO:
    log = io.BufferedWriter(_LogFile(descriptor, "w", closefd=False))
    return io.TextIOWrapper(log, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or none of ours
            stream.flush()
