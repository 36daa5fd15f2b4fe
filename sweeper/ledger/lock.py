"""A lock file: one process holds it, the error of the others names it, and the kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

from sweeper.errors import LedgerError, Problem


def take(path: Path, *, take_over: bool = False) -> int:
    """Take the lock and return its open file: closing that frees it. Raises LedgerError naming who holds it.

    With `take_over` the file is moved aside first, even while another process holds it.
    """
    if take_over:
        path.unlink(missing_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # The kernel drops the lock with its process, however that ends: a dead driver's lock is free by itself.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = _holder_text(handle)
        os.close(handle)
        hint = f"wait for it, or stop it; `sweeper status {path.parent.name}` shows how far it is"
        hint += "; if its machine is gone for good, add --take-over"
        raise LedgerError(Problem("this sweep is being run already", str(path.parent), found=who, hint=hint)) from None
    os.ftruncate(handle, 0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode())
    return handle


def is_ours(handle: int, path: Path) -> bool:
    """Whether the file that was opened is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def holder(path: Path) -> str:
    """Who holds the lock right now (`process 12 on host since ...`), or "" when it is free."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would wait for its writer
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder_text(handle)
    finally:
        os.close(handle)
    return ""


def _holder_text(handle: int) -> str:
    return os.pread(handle, 1000, 0).decode(errors="replace").strip()
