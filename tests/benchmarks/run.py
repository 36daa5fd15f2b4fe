"""Runs sweeper and its rivals in turn on this machine: `python tests/benchmarks/run.py [--quick] [WORD ...]`.

Words choose rows by what their names contain. What was found is kept in results/benchmarks/ (`runs.csv`: every reading,
rows that were not run again keep theirs; `machine.json`; `table.md`). Exit code 1 when a row could not be run; a missed
goal is a result. Rivals need `pip install -c constraints.txt -e '.[bench]'`. An idle machine of two cores takes half
an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path

import machine
import readings
import rows_calls
import rows_driver
import rows_sweeps
import rows_trainer
import table
from readings import FAILED, OURS, Reading, Row

ROWS: list[Row] = [*rows_sweeps.ROWS, *rows_trainer.ROWS, *rows_driver.ROWS, *rows_calls.ROWS]
FOLDER = machine.ROOT / "results" / "benchmarks"


def main() -> int:
    names = ", ".join(row.name for row in ROWS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, once each")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the results go")
    parser.add_argument("words", nargs="*", help=f"only rows whose names contain one of these: {names}")
    options = parser.parse_args()
    chosen = [row for row in ROWS if not options.words or any(word in row.name for word in options.words)]
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # before a row imports torch
    failed = False
    for row in chosen:
        began = time.monotonic()
        found = measured(row, options.quick)
        failed |= any(reading.unit == FAILED for reading in found)
        keep(options.folder, found)
        print(f"{row.name} ({time.monotonic() - began:.0f} s)")
        print("".join(f"  {text}\n" for text in table.line(row, found)), end="", flush=True)
    return int(failed) if chosen else parser.error(f"no row is called so; there are {names}")


def measured(row: Row, quick: bool) -> list[Reading]:
    """The readings of a row; one that breaks off says so, and keeps what it had."""
    load, commit, date = round(os.getloadavg()[0], 2), machine.commit(), machine.now()
    taken: list[Reading] = []

    def take(measure: str, contender: str, value: float, unit: str) -> None:
        taken.append(Reading(row.name, measure, contender, float(f"{value:.6g}"), unit, quick, date, commit, load))

    try:
        for found in row.run(quick):
            take(found.measure, found.contender, found.value, found.unit)
            print(f"    {found.contender}: {table.shown(found.value, found.unit)}", file=sys.stderr, flush=True)
    except Exception as error:
        traceback.print_exc()  # on the screen only: it may name folders of this machine
        take(f"{row.name}: {type(error).__name__}", OURS, 0, FAILED)
    return taken


def keep(folder: Path, found: list[Reading]) -> None:
    """Merge a row into the files; written after each, so that what breaks off keeps what it had."""
    file = folder / "runs.csv"
    merged = readings.merged(readings.load(file), found, [row.name for row in ROWS])
    readings.save(file, merged)
    described = machine.described()
    (folder / "machine.json").write_text(json.dumps(described, indent=1) + "\n")
    (folder / "table.md").write_text(f"{table.markdown(ROWS, merged)}\n{table.conditions(described, merged)}\n")


if __name__ == "__main__":
    sys.exit(main())
