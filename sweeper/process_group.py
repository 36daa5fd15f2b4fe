"""Processes of other programs in a group that ends as a whole, and that outlives neither its block nor this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

# Reads until its pipe closes. Without a line before, the process that held it is gone: the group ends, this one too.
_GUARD = 'trap "" TERM INT HUP; read line || { kill -s TERM -- "-$$"; sleep 2; kill -s KILL -- "-$$"; }'
_LOOK_S = 0.02
_KILL_S = 0.2


@contextlib.contextmanager
def guarded() -> Iterator[int]:
    """The number of a process group to start programs in (`Popen(process_group=...)`).

    Its leader is a guard that is there before them: whenever this process is killed, the group ends. An exception ends
    it at once: a second Ctrl-C may come while the block still ends it with grace.
    """
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
    )
    assert guard.stdin is not None
    try:
        yield guard.pid
    except BaseException:
        guard.stdin.close()  # the guard ends the group, should this be interrupted too
        with contextlib.suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
        raise
    guard.communicate(b"done\n")


def end(group: int, process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a process and what it left in its group: SIGTERM, and SIGKILL to what is there after the grace.

    What it started in groups of their own, as torchrun does its workers, is left to it, and killed after the grace.
    """
    import psutil  # here: every command that reads a sweep file imports the module of programs

    elsewhere: set[psutil.Process] = set()
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILL_S)):
        until = time.monotonic() + wait_s
        if process.poll() is not None and not _members(group):
            break
        with contextlib.suppress(psutil.Error):
            elsewhere.update(psutil.Process(process.pid).children(recursive=True))
        os.killpg(group, number)
        while (process.poll() is None or _members(group)) and time.monotonic() < until:
            time.sleep(_LOOK_S)
    for one in elsewhere:
        with contextlib.suppress(psutil.Error):
            one.kill()  # not another process that has its number by now


def _members(group: int) -> list[int]:
    """The processes of a group but its leader, zombies aside."""
    import psutil

    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if one.pid != group and os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one.pid)
    return found
