"""Reading files that somebody else may have laid there: a FIFO would wait for its writer, a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read(path: Path, most: int | None = None, *, follow_link: bool = True) -> bytes:
    """The bytes of a regular file. Raises OSError for whatever else is there, and for more than `most` bytes."""
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow_link else os.O_NOFOLLOW)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if most is not None and state.st_size > most:
            raise OSError(errno.EFBIG, f"{state.st_size} bytes", str(path))
        return file.read()
