"""Groups of other programs, whatever comes while they are ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeper import process_group

OWNER = """
import signal, subprocess, sys
from pathlib import Path
from sweeper import process_group
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
with process_group.guarded() as group:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE, process_group=group)
    try:
        child.stdout.readline()
        Path("group").write_text(str(group))
        child.wait()
    finally:
        process_group.end(group, child, 20.0)
"""


@pytest.mark.parametrize("gap_s", [0.0, 0.01, 0.3])
def test_a_second_ctrl_c_while_a_group_ends_with_grace_ends_it_at_once(folder: Path, gap_s: float) -> None:
    """`sweeper ui` left its server behind, on the port."""
    with subprocess.Popen([sys.executable, "-c", OWNER]) as owner:
        while not Path("group").exists() or not Path("group").read_text():
            time.sleep(0.01)
        group = int(Path("group").read_text())
        for _ in range(3):
            owner.send_signal(signal.SIGINT)
            time.sleep(gap_s)
        if not gap_s:  # signals of one moment are one signal
            time.sleep(0.3)
            owner.send_signal(signal.SIGINT)
        assert owner.wait(10) in (130, -signal.SIGINT)  # by a signal that came after Python's own end had begun
    end = time.monotonic() + 5
    while (there := process_group._members(group)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not there
