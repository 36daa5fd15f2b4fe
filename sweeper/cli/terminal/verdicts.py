"""How verdicts look in a terminal: the claim and its outcome, and below it the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from sweeper.analysis.claims.verdict import Outcome, Verdict
from sweeper.ledger.chain import Chain
from sweeper.value_text import plural

INDENT = 11
STYLES: dict[Outcome, str] = {"pass": "green", "fail": "bold red", "undecided": "yellow"}


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """One claim after the other, and how many passed, failed and are open."""
    for verdict in verdicts:
        outcome = Text(f"{verdict.outcome:<{INDENT}}", STYLES[verdict.outcome])
        what = Text(verdict.name, "bold").append(f"  {verdict.kind} of {verdict.metric}", "not bold dim")
        what.append(f"  {verdict.standing}", "not bold" if verdict.status == "registered" else "not bold yellow")
        console.print(Text.assemble(outcome, what), soft_wrap=True)
        console.print(
            Padding(Text(verdict.sentence), (0, 0, 0, INDENT)) if console.is_terminal else f"  {verdict.sentence}"
        )
    console.print(summary(verdicts))


def audit_lines(chain: Chain, quoted: str = "") -> Iterator[str]:
    """What following a ledger's chain found, and its head: what a paper or a tag can quote."""
    if chain.breaks:
        more = f", nor do {len(chain.breaks) - 1} more" if len(chain.breaks) > 1 else ""
        yield f"broken  line {chain.breaks[0]} of {chain.lines} does not follow the line before it{more}"
    elif not chain.since:
        yield f"no chain  {plural(chain.lines, 'line')}, none with a hash: written by sweeper 0.1"
    else:
        yield f"intact  {plural(chain.lines, 'line')}, chained since line {chain.since}"
    if chain.turned_back:
        lines = plural(len(chain.turned_back), "line")
        yield f"clock   {lines} dated before an earlier one, the first line {chain.turned_back[0]}; order goes by lines"
    if quoted:
        yield f"quoted  {f'line {chain.quoted_at}' if chain.quoted_at else 'no line has this hash'}"
    yield f"head    {chain.head}"


def summary(verdicts: Sequence[Verdict]) -> Text:
    """`5 claims: 3 pass, 1 fail, 1 undecided`."""
    current = [verdict for verdict in verdicts if not verdict.replaced]
    counts = Counter(verdict.outcome for verdict in current)
    text = Text(f"{plural(len(current), 'claim')}: ")
    parts = [Text(f"{counts[outcome]} {outcome}", STYLES[outcome]) for outcome in STYLES if counts[outcome]]
    text.append(Text(", ").join(parts))
    late = sum(verdict.status != "registered" for verdict in current)
    return text.append(f"; {late} not registered before the results" if late else "")
