"""Runs sweeps of short trials under each fault, reports losses: `python tests/faults/inject.py [--quick] [WORD]`.

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
from dataclasses import dataclass, replace
from pathlib import Path

import faults
import places
import slurm
import steered
import stores
from audit import Row
from faults import Fault
from rich.console import Console
from rich.table import Table
from subjects import BUNDLED, BUNDLED_SEARCH, BUSY, EVERY, LONG, SEARCH, SLOW, Subject, toy


@dataclass(frozen=True, slots=True)
class Tried:
    """A fault done so many times to a subject; `quick` times with --quick (0: left out)."""

    subject: Subject
    times: int
    quick: int = 0


PLAIN, CHECKPOINTED = toy(8, SLOW), toy(8, SLOW + EVERY)
BUNDLED_ON_RAY = replace(BUNDLED, latest_s=8.0)
LONGER = replace(BUNDLED, text=BUNDLED.text.replace("train.steps: 60", "train.steps: 240"))
TOY_ONLY = replace(toy(2), trainer="toy only")


def on_both_runners(name: str, number: signal.Signals, presses: int, *codes: int) -> list[Line]:
    """The rows of a signal: each runner, each subject."""
    here, ray = faults.signalled(number, presses, "inprocess", *codes), faults.signalled(number, presses, "ray", *codes)
    return [
        (name, here, [Tried(PLAIN, 5), Tried(BUNDLED, 3)]),
        (f"{name}, Ray", ray, [Tried(replace(PLAIN, latest_s=5.0), 3), Tried(BUNDLED_ON_RAY, 2)]),
    ]


def to_the_group(name: str, number: signal.Signals) -> Line:
    """The row of a signal to the whole process group of a driver on Ray; Ctrl-C always is one."""
    fault = faults.signalled(number, 1, "ray", 143, group=True)
    return f"{name} to the process group, Ray", fault, [Tried(toy(8, LONG + EVERY, 3.0), 2), Tried(BUNDLED_ON_RAY, 2)]


Line = tuple[str, Fault, list[Tried]]
# tests/execution/ray_tune/test_runner.py does the like of what --quick leaves out to Ray in every CI run.
FAULTS: list[Line] = [
    (
        "driver SIGKILL, in-process runner",
        faults.killed_driver("inprocess"),
        [Tried(replace(PLAIN, latest_s=3.0), 50, 1), Tried(replace(BUNDLED, latest_s=9.0), 5, 1)],
    ),
    (
        "driver SIGKILL, Ray (start-up too)",
        faults.killed_driver("ray"),
        [Tried(toy(12, SLOW + EVERY, 12.0), 50), Tried(replace(BUNDLED, latest_s=18.0), 5)],
    ),
    ("driver SIGKILL among ledger writes", faults.killed_driver("inprocess"), [Tried(BUSY, 50, 1)]),
    ("worker SIGKILL", faults.killed_workers, [Tried(toy(8, LONG + EVERY, 2.0), 20), Tried(BUNDLED_ON_RAY, 5)]),
    ("node killed (cluster of two)", faults.lost_nodes, [Tried(toy(60, LONG + EVERY), 5), Tried(LONGER, 1)]),
    (
        "head of the cluster killed",
        faults.lost_head,
        [Tried(toy(4, LONG.replace("40", "60") + EVERY), 1), Tried(BUNDLED, 1)],
    ),
    (
        "head of our own Ray killed",
        faults.lost_own_head,
        [Tried(toy(8, LONG + EVERY, 2.0), 2), Tried(BUNDLED, 1)],
    ),
    ("disk full", faults.full_disk, [Tried(CHECKPOINTED, 5, 1), Tried(replace(BUNDLED, latest_s=8.0), 3)]),
    ("results folder read-only", faults.read_only, [Tried(CHECKPOINTED, 5), Tried(replace(BUNDLED, latest_s=8.0), 2)]),
    (
        "MLflow server killed, restarted",
        faults.restarted_mlflow,
        [Tried(toy(40, SLOW.replace("0.1", "0.15"), 2.0), 10), Tried(replace(BUNDLED, latest_s=2.0), 5)],
    ),
    ("trainers that misbehave", faults.deeds, [Tried(TOY_ONLY, 1)]),
    ("memory full", faults.full_memory, [Tried(TOY_ONLY, 1)]),
    ("clock set back", faults.clock_set_back, [Tried(PLAIN, 1), Tried(BUNDLED, 1)]),
    ("two drivers at once", faults.two_drivers, [Tried(toy(60, SLOW), 5), Tried(BUNDLED, 3)]),
    ("SIGHUP, terminal closed", faults.closed_terminal, [Tried(PLAIN, 5, 1), Tried(BUNDLED, 3)]),
    *on_both_runners("SIGTERM", signal.SIGTERM, 1, 143),
    *on_both_runners("SIGUSR1", signal.SIGUSR1, 1, 143),
    *(to_the_group(number.name, number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)),
    *on_both_runners("Ctrl-C", signal.SIGINT, 1, 130),
    *on_both_runners("Ctrl-C twice", signal.SIGINT, 2, 130),
    *on_both_runners("Ctrl-C three times", signal.SIGINT, 3, 130, -9),
    ("budget.wall spent", faults.spent_budget("inprocess"), [Tried(PLAIN, 5), Tried(BUNDLED, 3)]),
    (
        "budget.wall spent, Ray",
        faults.spent_budget("ray"),
        [Tried(replace(PLAIN, latest_s=8.0), 3), Tried(replace(BUNDLED, latest_s=14.0), 2)],
    ),
    (
        "SLURM: requeued, one node",
        slurm.requeued(1, "--runner", "inprocess"),
        [Tried(toy(8, LONG + EVERY), 5), Tried(BUNDLED, 5)],
    ),
    (
        "SLURM: requeued, two nodes of Ray",
        slurm.requeued(2),
        [Tried(toy(8, LONG + EVERY, 3.0), 5), Tried(BUNDLED_ON_RAY, 5)],
    ),
    *[
        (f"driver and its disk lost, S3{name}", fault, [Tried(toy(8, LONG + EVERY, 3.0), 10), Tried(BUNDLED, 5)])
        for name, fault in (
            ("", stores.lost_disk()),
            (" killed", stores.lost_disk(stores.killed)),
            (" full", stores.lost_disk(stores.full)),
            (" slow", stores.lost_disk(slow_s=0.1)),
        )
    ],
    (
        "node and its disk lost, S3",
        stores.lost_nodes_apart,
        [Tried(toy(10, LONG + EVERY, 3.0), 5), Tried(LONGER, 5)],
    ),
    (
        "driver and results folder lost, --from S3",
        stores.lost_machine,
        [Tried(toy(8, LONG + EVERY, 3.0), 10), Tried(LONGER, 5)],
    ),
    (
        "two drivers at the same moment, --from S3",
        stores.started_together,
        [Tried(toy(60, LONG + EVERY), 20)],
    ),
    ("steering commands", steered.steered("inprocess"), [Tried(toy(8, LONG + EVERY), 50), Tried(BUNDLED, 50)]),
    ("steering commands, Ray", steered.steered("ray"), [Tried(toy(8, LONG + EVERY, 3.0), 50)]),
    ("damaged run line", places.between_runs(places.damaged_line("run")), [Tried(PLAIN, 5), Tried(BUNDLED, 3)]),
    (
        "damaged line of a search's trial",
        places.between_runs(places.damaged_line("more")),
        [Tried(SEARCH, 5), Tried(BUNDLED_SEARCH, 2)],
    ),
    ("ledger with CRLF", places.between_runs(places.crlf), [Tried(PLAIN, 5), Tried(BUNDLED, 3)]),
    ("results folder moved", places.moved_folder, [Tried(PLAIN, 5), Tried(BUNDLED, 3)]),
    ("stdout and stderr closed", places.closed_streams, [Tried(PLAIN, 5), Tried(BUNDLED, 3)]),
    (
        "TMPDIR of 200 characters, Ray",
        places.long_tmpdir,
        [Tried(replace(PLAIN, latest_s=5.0), 2), Tried(BUNDLED_ON_RAY, 2)],
    ),
]
COLUMNS = ["fault", "trainer", "times", "trials", "found", "differ", "lost", "doubled", "MLflow", "orphans"]
COLUMNS += ["steps twice", "processes", "verdict"]
LEFT = ("fault", "trainer", "verdict")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer times each, and only what takes seconds")
    parser.add_argument("--trainer", choices=("toy", "bundled"), help="only rows of this trainer")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too, after every row")
    parser.add_argument("words", nargs="*", help="only faults whose names contain one of these")
    options = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # this table may run under nohup, its commands do not
    console, rows = Console(width=180, highlight=False), []
    for name, fault, tried in FAULTS:
        if options.words and not any(word in name for word in options.words):
            continue
        for this in tried:
            count = this.quick if options.quick else this.times
            if not count or (options.trainer and not this.subject.trainer.startswith(options.trainer)):
                continue
            began = time.monotonic()
            for row in under(name, fault, count, this.subject):
                rows.append(row)
                verdict = "clean" if row.is_clean else "NOT CLEAN"
                took = f"({time.monotonic() - began:.0f} s)"
                console.print(f"{row.fault:<36}{row.trainer:<21}{verdict:<10}{row.remark}  {took}")
            if options.markdown:
                options.markdown.write_text(markdown(rows))
    console.print(table(rows))
    return 0 if all(row.is_clean for row in rows) else 1


def under(name: str, fault: Fault, times: int, subject: Subject) -> list[Row]:
    """The rows of a fault; what breaks the fault itself is a row that is not clean."""
    with tempfile.TemporaryDirectory(prefix="sweeper-fault-", ignore_cleanup_errors=True) as folder:
        try:
            found = fault(Path(folder).resolve(), times, subject)
            rows = [found] if isinstance(found, Row) else list(found)
        except (Exception, subprocess.TimeoutExpired) as error:
            traceback.print_exc()
            remark = f"could not be tried: {error}"[:150]
            rows = [Row(name, subject.trainer, 0, 0, 0, -1, 0, 0, -1, 0, 0, 0, remark)]
        if not all(row.is_clean for row in rows):
            said = Path(folder) / "said.txt"
            print(said.read_text(errors="replace")[-5000:] if said.exists() else "", file=sys.stderr)
    return [row if row.fault else replace(row, fault=name) for row in rows]


def cells(row: Row) -> list[str]:
    numbers = [row.injected, row.expected, row.found, row.differ, row.lost, row.doubled, row.mlflow_runs, row.orphans]
    shown = ["-" if number == -1 else str(number) for number in [*numbers, row.steps_twice, row.leftovers]]
    return [row.fault, row.trainer, *shown, "clean" if row.is_clean else row.remark or "NOT CLEAN"]


def table(rows: list[Row]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        drawn.add_column(name, justify="left" if name in LEFT else "right")
    for row in rows:
        drawn.add_row(*cells(row))
    return drawn


def markdown(rows: list[Row]) -> str:
    lines = [COLUMNS, ["---" if name in LEFT else "---:" for name in COLUMNS], *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
