from __future__ import annotations

import io

import pytest
from rich.console import Console

from sweeper.analysis.progress import SweepRow
from sweeper.cli.terminal.tables import print_sweeps

ROWS = [
    SweepRow("grid", "finished", 12, 0, 0, 100.0, damaged_lines=1),
    SweepRow("broken", "unreadable", 0, 0, 0, 100.0, 0, "leads out of the results folder"),
]


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (80, ["sweep", "state", "done", "failed", "left", "last event"]),
        (40, ["sweep", "state", "done", "failed", "left"]),
        (24, ["sweep", "state", "done"]),
    ],
)
def test_a_list_of_sweeps_leaves_columns_out_and_breaks_no_word(width: int, head: list[str]) -> None:
    out = io.StringIO()
    print_sweeps(Console(file=out, width=width), ROWS, 103.0)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[0].replace("last event", "last_event").split() == [name.replace(" ", "_") for name in head]
    assert lines[1].split()[:2] == ["grid", "finished"]
    assert lines[3:] == ["grid: 1 damaged line in the ledger", "broken: leads out of the results folder"]
