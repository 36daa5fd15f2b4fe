from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sweeper.execution.ray_tune.reaper import QUICK_S
from tests.tracking.servers import until

PARENT = """
import subprocess, sys
from sweeper.execution.ray_tune.reaper import watched
with watched():
    child = subprocess.Popen([sys.executable, "-c", GRANDCHILD], start_new_session=True)
    print(child.pid, flush=True)
    sys.stdin.readline()
"""
GRANDCHILD = "import subprocess, sys, time; subprocess.Popen(['sleep', '100']); time.sleep(100)"


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "parent.py"
    script.write_text(f"GRANDCHILD = {GRANDCHILD!r}\n{PARENT}")
    home, pipe = tmp_path / "home", subprocess.PIPE
    home.mkdir()
    for name in ("json", "psutil", "heapq"):
        (home / f"{name}.py").write_text("raise SystemExit('a file of the user')\n")
    with subprocess.Popen([sys.executable, str(script)], stdin=pipe, stdout=pipe, text=True, cwd=home) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_driver_started_does_not_outlive_it(parent: subprocess.Popen[str], killed: bool) -> None:
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    until(lambda: len(child.children()) == 1)
    time.sleep(5 * QUICK_S)  # the reaper looks that often
    family = [child, *child.children()]
    if killed:
        parent.kill()
    parent.communicate()  # closes its standard input: it ends by itself
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
