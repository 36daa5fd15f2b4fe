"""How verdicts look in a terminal: the claim and what became of it, and below it the sentence that says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from sweeper.analysis.claims.verdict import Outcome, Verdict

INDENT = 11
STYLES: dict[Outcome, str] = {"pass": "green", "fail": "bold red", "undecided": "yellow"}


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """One claim after the other, and how many passed, failed and are open."""
    for verdict in verdicts:
        outcome = Text(f"{verdict.outcome:<{INDENT}}", STYLES[verdict.outcome])
        what = Text(verdict.name, "bold").append(f"  {verdict.kind} of {verdict.metric}", "not bold dim")
        console.print(Text.assemble(outcome, what), soft_wrap=True)
        console.print(
            Padding(Text(verdict.sentence), (0, 0, 0, INDENT)) if console.is_terminal else f"  {verdict.sentence}"
        )
    console.print(summary(verdicts))


def summary(verdicts: Sequence[Verdict]) -> Text:
    """`5 claims: 3 pass, 1 fail, 1 undecided`."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    text = Text(f"{len(verdicts)} claim{'s' if len(verdicts) != 1 else ''}: ")
    parts = [Text(f"{counts[outcome]} {outcome}", STYLES[outcome]) for outcome in STYLES if counts[outcome]]
    return text.append(Text(", ").join(parts))
