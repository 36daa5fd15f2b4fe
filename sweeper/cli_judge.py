"""The verbs that judge: verify (claims of one sweep) and compare (two sweeps)."""

from __future__ import annotations

import typer

from sweeper.cli_options import DEFAULT_RESULTS, Debug, Json, NoColor, Results, SweepName
from sweeper.cli_output import named_sweep, news_console, print_json, results_console
from sweeper.errors import Exit


def verify(
    sweep: SweepName,
    results: Results = DEFAULT_RESULTS,
    as_json: Json = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """The claims of the sweep's file: each pass, fail or undecided, with effect, interval and n."""
    from sweeper.verdict_list import print_verdicts
    from sweeper.verify import verdicts

    sweep_dir = named_sweep(results, sweep)
    found = verdicts(sweep_dir.results, sweep_dir.name)
    if as_json:
        print_json({"sweep": sweep_dir.name, "verdicts": [verdict.as_json() for verdict in found]})
    elif found:
        print_verdicts(results_console(no_color), found)
    else:
        news_console(no_color).print(f"{sweep_dir.name} claims nothing: its file has no `expect:`")
    if any(verdict.outcome == "fail" for verdict in found):
        raise typer.Exit(Exit.CLAIM_FAILED)
