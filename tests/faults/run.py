"""Runs a sweep of short trials under each fault and says what was lost: `python tests/faults/run.py [--quick] [WORD]`.

Words choose faults by what their names contain. Exit code 1 when a row is not clean.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import faults
from audit import Row
from rich.console import Console
from rich.table import Table

BUSY = "trainer: trainer:busy\nparameters: {x: {min: 1, max: 10, points: 10}}\n"
CHECKPOINTED = faults.SLOW + faults.EVERY
# Name, fault, times, times with --quick (0: left out; tests/test_schedule_ray.py does the like to Ray in every CI run).
FAULTS: list[tuple[str, Callable[[Path, int], Row | Iterable[Row]], int, int]] = [
    ("driver SIGKILL, in-process runner", faults.killed_driver("inprocess", faults.SLOW, 8, 8, 3.0), 50, 3),
    ("driver SIGKILL, Ray (start-up too)", faults.killed_driver("ray", CHECKPOINTED, 12, 12, 12.0), 50, 0),
    ("driver SIGKILL among ledger writes", faults.killed_driver("inprocess", BUSY, 10, 100, 2.0), 50, 3),
    ("worker SIGKILL", faults.killed_workers, 20, 0),
    ("node killed (cluster of two)", faults.lost_nodes, 5, 0),
    ("head of the cluster killed", faults.lost_head, 1, 0),
    ("disk full", faults.full_disk, 5, 1),
    ("results folder read-only", faults.read_only, 5, 0),
    ("MLflow server killed, restarted", faults.restarted_mlflow, 10, 0),
    ("trainers that misbehave", faults.deeds, 1, 0),
    ("memory full", faults.full_memory, 1, 0),
    ("clock set back", faults.clock_set_back, 1, 0),
    ("two drivers at once", faults.two_drivers, 5, 0),
    ("SIGTERM", faults.signalled(signal.SIGTERM, 1, 143), 5, 0),
    ("SIGHUP, terminal closed", faults.closed_terminal, 5, 1),
    ("Ctrl-C", faults.signalled(signal.SIGINT, 1, 130), 5, 0),
    ("Ctrl-C three times", faults.signalled(signal.SIGINT, 3, 130, -9, -2), 5, 0),
]
COLUMNS = ["fault", "times", "trials", "found", "lost", "doubled", "MLflow", "orphans", "steps twice", "processes"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer times each, and only what takes seconds")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    parser.add_argument("words", nargs="*", help="only faults whose names contain one of these")
    options = parser.parse_args()
    console, rows = Console(width=160, highlight=False), []
    for name, fault, times, quick in FAULTS:
        count = quick if options.quick else times
        if not count or (options.words and not any(word in name for word in options.words)):
            continue
        began = time.monotonic()
        for row in under(name, fault, count):
            rows.append(row)
            verdict = "clean" if row.is_clean else "NOT CLEAN"
            console.print(f"{row.fault:<36}{verdict:<10}{row.remark}  ({time.monotonic() - began:.0f} s)")
    console.print(table(rows))
    if options.markdown:
        options.markdown.write_text(markdown(rows))
    return 0 if all(row.is_clean for row in rows) else 1


def under(name: str, fault: Callable[[Path, int], Any], times: int) -> list[Row]:
    """The rows of a fault; what breaks the fault itself is a row that is not clean."""
    with tempfile.TemporaryDirectory(prefix="sweeper-fault-", ignore_cleanup_errors=True) as folder:
        try:
            found = fault(Path(folder).resolve(), times)
            rows = [found] if isinstance(found, Row) else list(found)
        except (Exception, subprocess.TimeoutExpired) as error:
            traceback.print_exc()
            rows = [Row(name, 0, 0, 0, 0, 0, -1, 0, 0, 0, f"could not be tried: {error}"[:150])]
        if not all(row.is_clean for row in rows):
            said = Path(folder) / "said.txt"
            print(said.read_text()[-3000:] if said.exists() else "", file=sys.stderr)
    return [row if row.fault else _named(row, name) for row in rows]


def _named(row: Row, name: str) -> Row:
    from dataclasses import replace

    return replace(row, fault=name)


def cells(row: Row) -> list[str]:
    numbers = [row.injected, row.expected, row.found, row.lost, row.doubled, row.mlflow_runs, row.orphans]
    return [row.fault, *map(str, [*numbers, row.steps_twice, row.leftovers]), "clean" if row.is_clean else row.remark]


def table(rows: list[Row]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in [*COLUMNS, "verdict"]:
        drawn.add_column(name, justify="left" if name in ("fault", "verdict") else "right")
    for row in rows:
        drawn.add_row(*cells(row))
    return drawn


def markdown(rows: list[Row]) -> str:
    lines = [[*COLUMNS, "verdict"], ["---", *["---:"] * (len(COLUMNS) - 1), "---"], *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
