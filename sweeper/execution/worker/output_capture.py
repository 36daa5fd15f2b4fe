"""What a worker does to its own process: threads, standard streams, and the device it finds."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send what this process writes to its standard streams, below Python too, to the end of the file at `path`.

    Where that cannot be written it goes nowhere: a full disk costs the log, not the trial.
    """
    saved, log = (os.dup(1), os.dup(2)), _open_log(path)
    try:
        _point_streams_at(log, log)
        yield
    finally:
        _point_streams_at(*saved)
        for handle in (*saved, log):
            os.close(handle)


def _open_log(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _point_streams_at(out: int, err: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)
