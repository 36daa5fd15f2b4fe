"""The log of a trial that prints without end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sweeper.execution.worker.output_capture import KEPT, LEFT_OUT, LONGEST

PRINTS = """
import os, sys
from pathlib import Path
from sweeper.execution.worker.output_capture import captured
for attempt in range(2):
    with captured(Path(sys.argv[1])):
        print("it begins", attempt)
        for _ in range(100):
            os.write(1, b"x" * 999_999 + b"\\n")
        print("it ends", attempt)
"""


def test_of_a_long_log_the_first_and_last_megabytes_stay_and_a_line_counts_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    subprocess.run([sys.executable, "-c", PRINTS, log], check=True)
    content = log.read_bytes()
    assert len(content) <= LONGEST
    assert content.startswith(b"it begins 0\n")
    assert content.endswith(b"it ends 1\n")
    (middle,) = LEFT_OUT.finditer(content)
    assert middle.start() == KEPT
    written = 2 * (100 * 1_000_000 + len(b"it begins 0\nit ends 0\n"))
    assert (
        abs(len(content) - len(middle[0]) + int(middle[1]) - written) < 20_000_000
    )  # what came while it was shortened
