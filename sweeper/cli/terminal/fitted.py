"""Tables that fit a terminal: whole columns are left out before a number or a name is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from sweeper.cli.terminal.console import UNLIMITED

GAP = 2


class FittedColumn(NamedTuple):
    """A column's heading (lines allowed); of the least important ones (the greatest `rank`) the last goes first."""

    heading: str
    rank: int
    left: bool = False


def fitted_table(
    columns: Sequence[FittedColumn], rows: Sequence[Sequence[str | Text]], width: int
) -> tuple[Table, list[str]]:
    """A table of at most `width` characters, and the names (headings in one line) that it has no room for.

    In a pipe, where there is room for all, a heading is one line: it can be searched for.
    """
    if width >= UNLIMITED:
        columns = [column._replace(heading=column.heading.replace("\n", "")) for column in columns]
    widths = [_width(column, [row[place] for row in rows]) for place, column in enumerate(columns)]
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(widths[place] + GAP for place in kept) - GAP > width:
        kept.remove(max(kept, key=lambda place: (columns[place].rank, place)))
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place in kept:
        table.add_column(
            columns[place].heading, justify="left" if columns[place].left else "right", vertical="bottom", no_wrap=True
        )
    for row in rows:
        table.add_row(*(row[place] for place in kept))
    return table, [one.heading.replace("\n", "") for place, one in enumerate(columns) if place not in kept]


def _width(column: FittedColumn, cells: Sequence[str | Text]) -> int:
    lines = [line for cell in (column.heading, *cells) for line in str(cell).split("\n")]
    return max(map(cell_len, lines), default=0)
