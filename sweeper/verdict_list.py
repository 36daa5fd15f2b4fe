"""How verdicts look in a terminal: the claim and what became of it, and below it the sentence that says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeper.verdicts import Outcome, Verdict

STYLES: dict[Outcome, str] = {"pass": "green", "fail": "bold red", "undecided": "yellow"}


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """One claim after the other, and how many passed, failed and are open."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for verdict in verdicts:
        what = Text(verdict.name, "bold").append(f"  {verdict.kind} of {verdict.metric}", "not bold dim")
        table.add_row(Text(verdict.outcome, STYLES[verdict.outcome]), what.append(f"\n{verdict.sentence}", "not bold"))
    console.print(table)
    console.print(summary(verdicts))


def summary(verdicts: Sequence[Verdict]) -> Text:
    """`5 claims: 3 pass, 1 fail, 1 undecided`."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    text = Text(f"{len(verdicts)} claim{'s' if len(verdicts) != 1 else ''}: ")
    parts = [Text(f"{counts[outcome]} {outcome}", STYLES[outcome]) for outcome in STYLES if counts[outcome]]
    return text.append(Text(", ").join(parts))
