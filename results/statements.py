"""Prints the table of the note's statements of results/README.md as LaTeX: `python results/statements.py`."""

from __future__ import annotations

from pathlib import Path

from sweeper.reporting.tables.markup import Cell, StyledTable, latex

MARKER = "<!-- statements -->"


def table(page: str) -> StyledTable:
    """The table below the marker, without the collections and the marks of code."""
    text = page.partition(MARKER)[2].partition("<!-- end -->")[0].replace("`", "").strip()
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines())
    shown = [i for i, name in enumerate(head) if name != "collection"]
    cells = [[Cell(row[i], number=head[i] in ("effect", "n")) for i in shown] for row in rows]
    return StyledTable([head[i] for i in shown], cells, note="the statements of results/README.md")


if __name__ == "__main__":
    print(latex(table((Path(__file__).parent / "README.md").read_text())), end="")
