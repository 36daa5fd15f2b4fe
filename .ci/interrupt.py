"""Kills, interrupts and continues the README's main command, then compares its numbers with an undisturbed run.

`python .ci/interrupt.py UNDISTURBED.csv COMMAND ...` runs COMMAND in the current folder: SIGKILL when the first trial
has started, SIGINT after some reports, then the command of the last line as it stands there.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.execution.drivers import DriverProcess

FOLDER = Path("results/grid")
METRICS = ["steps", "task_accuracy", "posterior_entropy", "alignment", "nll"]


def stop(command: list[str], number: signal.Signals, name: str, text: bytes) -> tuple[int, str]:
    """Send a signal to the command when one more line with `text` stands in a file; its exit code and last line."""
    driver = DriverProcess(command, Path(), Path("news.txt"))
    driver.wait_for_more(FOLDER / name, text)
    code = driver.stop(number)
    print(driver.news.read_text(), end="")
    return code, driver.last_line


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
