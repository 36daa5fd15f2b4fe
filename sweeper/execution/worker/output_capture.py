"""Where the standard streams of a worker go while a trial runs: its log."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send what this process writes to its standard streams, below Python too, to the end of the file at `path`.

    Where that cannot be written it goes nowhere: a full disk costs the log, not the trial. The block may close
    `sys.stdout` and `sys.stderr`: those that it finds are of its own, and the process keeps its descriptors.
    """
    saved, log = (os.dup(1), os.dup(2)), _open_log(path)
    streams = sys.stdout, sys.stderr
    _flush()
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


def _open_log(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _stream(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or none of ours
            stream.flush()
