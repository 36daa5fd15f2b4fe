"""The log of a trial that prints without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.execution.worker.output_capture import KEPT, LEFT_OUT, LONGEST, captured

PRINTS = """
import os, sys
from pathlib import Path
from sweeper.execution.worker.output_capture import captured
for attempt in range(2):
    with captured(Path(sys.argv[1])):
        print("it begins", attempt)
        for _ in range(100):
            if sys.argv[2] == "print":
                print("x" * 999_999)
            else:
                os.write(1, b"x" * 999_999 + b"\\n")
        print("it ends", attempt)
"""


@pytest.mark.parametrize(("by", "lost"), [("print", 0), ("os.write", 20_000_000)])
def test_of_a_long_log_the_first_and_last_megabytes_stay_and_a_line_counts_the_rest(
    tmp_path: Path, by: str, lost: int
) -> None:
    log = tmp_path / "log.txt"
    subprocess.run([sys.executable, "-c", PRINTS, log, by], check=True)
    content = log.read_bytes()
    assert len(content) <= LONGEST
    assert content.startswith(b"it begins 0\n")
    assert content.endswith(b"it ends 1\n")
    (middle,) = LEFT_OUT.finditer(content)
    assert middle.start() == KEPT
    written = 2 * (100 * 1_000_000 + len(b"it begins 0\nit ends 0\n"))
    counted = len(content) - len(middle[0]) + int(middle[1])
    assert written - lost <= counted <= written  # os.write: without what came while the log was shortened


def test_what_a_full_disk_does_not_take_is_lost_and_the_trial_goes_on(tmp_path: Path) -> None:
    with captured(tmp_path / "log.txt"):
        print("before", flush=True)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, 1)
        os.close(full)
        print("lost", "x" * 100_000, flush=True)
        print("this too")
        print("errors", file=sys.stderr)
    assert (tmp_path / "log.txt").read_text() == "before\nerrors\n"


def test_one_thread_looks_at_all_logs_and_a_fork_has_its_own(tmp_path: Path) -> None:
    program = """
import os, sys, threading
from pathlib import Path
from sweeper.execution.worker import output_capture
from sweeper.execution.worker.output_capture import captured
def watchers():
    return [thread.name for thread in threading.enumerate()].count("sweeper-log")
folder = Path(sys.argv[1])
for number in range(3):
    with captured(folder / f"{number}.txt"):
        assert watchers() == 1
child = os.fork()
if not child:
    assert watchers() == 0
    with captured(folder / "fork.txt"):
        print("from the fork")
        assert watchers() == 1
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=60)
    assert (tmp_path / "fork.txt").read_text() == "from the fork\n"
