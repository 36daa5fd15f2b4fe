"""Kills, interrupts and continues the README's main command, then compares its numbers with an undisturbed run.

`python .ci/interrupt.py UNDISTURBED.csv COMMAND ...` runs COMMAND in the current folder: SIGKILL when the first trial
has started, SIGINT after some reports, then the command of the last line as it stands there.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

FOLDER = Path("results/grid")
METRICS = ["steps", "task_accuracy", "posterior_entropy", "alignment", "nll"]


def lines(name: str, text: bytes) -> int:
    path = FOLDER / name
    return path.read_bytes().count(text) if path.exists() else 0


def stop(command: list[str], number: signal.Signals, name: str, text: bytes) -> tuple[int, str]:
    """Send a signal to the command when one more line with `text` stands in a file; its exit code and last line."""
    before = lines(name, text)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 120
    while lines(name, text) == before:
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < until, f"no more {text!r} in {name}"
        time.sleep(0.02)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=120)
    print(said, end="")
    return process.returncode, (said.strip().splitlines() or [""])[-1]


def main() -> None:
    undisturbed, command = Path(sys.argv[1]), sys.argv[2:]
    assert stop(command, signal.SIGKILL, "ledger.jsonl", b'"e":"start"')[0] == -signal.SIGKILL
    code, last = stop(command, signal.SIGINT, "curves.jsonl", b"\n")
    assert code == 130, code
    assert last == f"continue with: {shlex.join(['sweeper', *command[1:]])}", last
    words = shlex.split(last.removeprefix("continue with: "))
    subprocess.run([command[0], *words[1:]], check=True, timeout=300)
    subprocess.run([command[0], "export", "grid", "--output", "grid.csv"], check=True)
    found, expected = (pd.read_csv(path).set_index("trial").sort_index() for path in ("grid.csv", undisturbed))
    assert set(found.state) == {"completed"}, set(found.state)
    pd.testing.assert_frame_equal(found[METRICS], expected[METRICS], check_exact=True)
    print("killed, interrupted and continued: the same numbers as undisturbed, bit for bit")


if __name__ == "__main__":
    main()
