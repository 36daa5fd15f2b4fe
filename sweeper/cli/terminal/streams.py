"""The three standard streams, of which a caller may have closed any, or led one to a full disk."""

from __future__ import annotations

import errno
import os
import select
import sys

_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def open_closed() -> None:
    """Lead streams that the caller closed to the null device: else a file of ours gets their number, and our prints."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def is_output_error(error: Exception) -> bool:
    """Whether this is what writing to a full disk, a lost device or a reader that left raises.

    Files that have a name are not streams, and a pipe may break that is none either.
    """
    if isinstance(error, BrokenPipeError):
        return any(map(_reader_left, (1, 2)))
    return isinstance(error, OSError) and error.filename is None and error.errno in _LOST


def _reader_left(handle: int) -> bool:
    poll = select.poll()
    poll.register(handle, 0)  # that its reader left is always reported
    return bool(poll.poll(0))


def discard_output() -> None:
    """Let standard output, and what is still in its buffer, vanish: Python flushes it once more at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
