from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PARENT = """
import subprocess, sys, time
from sweeper.execution.ray_tune.reaper import watched
with watched():
    child = subprocess.Popen([sys.executable, "-c", GRANDCHILD], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep({sleep})
"""
GRANDCHILD = "import subprocess, sys, time; subprocess.Popen(['sleep', '100']); time.sleep(100)"


def start(tmp_path: Path, sleep: int) -> tuple[subprocess.Popen[str], psutil.Process]:
    script = tmp_path / "parent.py"
    script.write_text(f"GRANDCHILD = {GRANDCHILD!r}\n" + PARENT.replace("{sleep}", str(sleep)))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    return parent, psutil.Process(int(parent.stdout.readline()))


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive, alive


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_driver_started_does_not_outlive_it(tmp_path: Path, killed: bool) -> None:
    parent, child = start(tmp_path, 100 if killed else 1)
    time.sleep(1)
    family = [child, *child.children(recursive=True)]
    assert len(family) == 2
    if killed:
        parent.kill()
    parent.communicate()
    wait_until_gone(family)
