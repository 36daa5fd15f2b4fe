"""The commands that judge: verify (claims of one sweep) and compare (two sweeps)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sweeper.cli.options import Shared, SweepName, comma_list, shares
from sweeper.cli.output import named_sweep, news_console, print_json, results_console
from sweeper.errors import Exit, Problem, UsageError

if TYPE_CHECKING:
    from sweeper.ledger.paths import SweepDir


@shares("results", "as_json", "no_color")
def verify(
    sweep: SweepName,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 for a claim that is not registered.")] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Check the ledger's chain of hashes; print its head.")] = False,
    head: Annotated[str, typer.Option(help="With --audit: a head quoted earlier.", show_default=False)] = "",
    shared: Shared,
) -> None:
    """The claims of the sweep's file: each pass, fail or undecided, with effect, interval and n."""
    from sweeper.analysis.claims.verify import exit_code, verdicts
    from sweeper.cli.terminal.verdicts import print_verdicts

    sweep_dir = named_sweep(shared.results, sweep)
    if audit or head:
        _audit(sweep_dir, head, shared)
        return
    found = verdicts(sweep_dir)
    if shared.as_json:
        print_json({"sweep": sweep_dir.name, "verdicts": [verdict.as_json() for verdict in found]})
    elif found:
        print_verdicts(results_console(shared.no_color), found)
    else:
        news_console(shared.no_color).print(f"{sweep_dir.name} has no claims: its file has no `expect:`")
    if code := exit_code(Exit.OK, found, strict=strict):
        raise typer.Exit(code)


def _audit(sweep_dir: SweepDir, head: str, shared: Shared) -> None:
    """Whether the ledger is as it was written: exit code 3 where its chain is broken, or lacks the quoted head."""
    from sweeper.cli.terminal.verdicts import audit_lines
    from sweeper.ledger.history import audit

    chain = audit(sweep_dir, head)
    if shared.as_json:
        found = {"lines": chain.lines, "since": chain.since, "breaks": chain.breaks, "head": chain.head}
        found["turned_back"] = chain.turned_back
        print_json({"sweep": sweep_dir.name, "audit": found | ({"quoted_at": chain.quoted_at} if head else {})})
    else:
        for line in audit_lines(chain, head):
            results_console(shared.no_color).print(line, soft_wrap=True)
    if chain.breaks or not chain.since or (head and not chain.quoted_at):
        raise typer.Exit(Exit.CLAIM_FAILED)


@shares("results", "as_json", "no_color")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A sweep.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Another, or its folder elsewhere.", show_default=False)],
    metrics: Annotated[str, typer.Option(help="Show these, moved or not; comma-separated.", show_default=False)] = "",
    *,
    shared: Shared,
) -> None:
    """Two sweeps, configuration by configuration: what is only in one, what moved, what else changed."""
    from sweeper.analysis import comparison
    from sweeper.analysis.sweep_results import SweepResults
    from sweeper.cli.terminal.comparison import print_comparison

    one, other = (SweepResults(named_sweep(shared.results, name)) for name in (a, b))
    found = comparison.compare(one.history, other.history)
    if shared.as_json:
        print_json({"a": str(one.folder.folder), "b": str(other.folder.folder), **found.as_json()})
        return
    shown = comma_list(metrics) or one.headlines
    if unknown := [name for name in shown if metrics and name not in one.metrics]:
        raise UsageError(Problem("no such metric", "", "--metrics", ", ".join(unknown), ", ".join(one.metrics)))
    names = (str(one.folder.folder), str(other.folder.folder))
    print_comparison(results_console(shared.no_color), found, names, shown)
