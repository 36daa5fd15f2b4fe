"""Ends what a driver leaves behind when it is killed: a small process that outlives it.

Ray's daemons notice by themselves that their driver is gone, but two of them take a minute or two. This process, in a
session of its own, keeps a list of the driver's descendants; when the pipe from the driver closes, it ends those that
are still there.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

QUICK_S, SLOW_S = 0.2, 2.0  # between two looks: while Ray starts its processes, and after that
STARTING_S = 30.0


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """While the block runs, this process's descendants are ended should it die; those alive at its end are too."""
    command = [sys.executable, "-P", "-m", "sweeper.execution.ray_tune.reaper", str(psutil.Process().pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as reaper:
        try:
            yield
        finally:
            assert reaper.stdin is not None
            reaper.stdin.close()


def main(driver: int) -> None:
    """Watch a driver until its pipe closes, then end what is left of its descendants."""
    found: set[psutil.Process] = set()
    began = time.monotonic()
    while not _is_closed(QUICK_S if time.monotonic() - began < STARTING_S else SLOW_S):
        found = {process for process in found | _descendants(driver) if process.is_running()}
    for process in list(found):
        found |= _descendants(process.pid) if process.is_running() else set()
    for process in found - {psutil.Process()}:
        with contextlib.suppress(psutil.Error):
            process.kill()  # by process, not by number: psutil compares the times they were started


def _is_closed(wait_s: float) -> bool:
    """Whether the other end of standard input is closed; nothing is ever written to it."""
    return bool(select.select([sys.stdin], [], [], wait_s)[0])


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return set()


if __name__ == "__main__":
    main(int(sys.argv[1]))
