"""`sweeper.report`: what a program that is run as a trial reports its metrics with."""

from __future__ import annotations

import contextlib
import json
import operator
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import SupportsFloat, SupportsIndex

REPORTS = "SWEEPER_REPORTS"  # the environment variable with the file that the driver reads reports from
RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")  # which of the processes of one program this is


def report(step: SupportsIndex, metrics: Mapping[str, SupportsFloat]) -> None:
    """Report metrics of a step from a program that is run as a trial (`trainer: {command: [...]}`).

    `step` is a whole number from 0 that does not go back, `metrics` maps names to numbers, or to tensors and arrays of
    one. The line goes to the file that the environment names, whatever became of standard output, from child
    processes too. Of several processes that are one program (torchrun, srun, mpirun) the one of rank 0 reports. Outside
    of a sweep the line goes to standard output, where it would be a report as well. Raises TypeError for what is no
    step or no number. A trainer that is a function is given its own `report` instead.

    >>> report(3, {"loss": 0.25})
    {"step": 3, "loss": 0.25}
    """
    line = json.dumps({"step": operator.index(step), **{name: float(value) for name, value in metrics.items()}})
    if next((os.environ[name] for name in RANKS if name in os.environ), "0") != "0":
        return
    place = os.environ.get(REPORTS)
    if not place:
        print(line, file=sys.stdout, flush=True)
        return
    handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"{line}\n".encode())  # at once: lines of several processes do not mix
    finally:
        os.close(handle)


class ReportFile:
    """The lines of the file that `report` writes to, as they come; the file is there while the block runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> ReportFile:
        self.path.unlink(missing_ok=True)
        self._handle = os.open(self.path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._rest = b""
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
        with contextlib.suppress(OSError):  # a folder that has become read-only costs no result
            self.path.unlink(missing_ok=True)

    def lines(self) -> list[str]:
        """What is whole and was not returned before."""
        found = b"".join(iter(lambda: os.read(self._handle, 1 << 16), b""))
        *whole, self._rest = (self._rest + found).split(b"\n")
        return [line.decode(errors="replace") for line in whole]
