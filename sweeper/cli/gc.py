"""The verb that gives bytes back: gc."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sweeper.cli.options import DEFAULT_RESULTS, Debug, Json, NoColor, Results
from sweeper.cli.output import news_console, print_json, results_console


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    results: Results = DEFAULT_RESULTS,
    as_json: Json = False,
    no_color: NoColor = False,
    debug: Debug = False,
) -> None:
    """Remove checkpoints and models that no rule keeps; says first how many bytes."""
    from sweeper.execution import retention

    console, found = news_console(no_color), retention.find(results)
    free = [item for item in found if not item.in_use]
    total = sum(item.size for item in free)
    if as_json:
        rows = [{"sweep": g.sweep, "files": len(g.files), "bytes": g.size, "in_use": g.in_use} for g in found]
        print_json({"results": str(results), "bytes": total, "removed": yes, "sweeps": rows})
    else:
        for item in found:
            used = f"  left alone: run by {item.in_use}" if item.in_use else ""
            files = f"{len(item.files)} files of {item.trials} trials"
            results_console(no_color).print(f"{item.sweep}  {item.size / 1e6:.1f} MB in {files}{used}")
    if not free:
        console.print(f"nothing to remove in {results}")
        return
    if not yes and (as_json or not sys.stdin.isatty()):
        console.print(f"{total / 1e6:.1f} MB would be removed; add --yes")
    elif yes or typer.confirm(f"Remove {total / 1e6:.1f} MB?", err=True):
        for item in free:
            retention.remove(item)
        console.print(f"removed {total / 1e6:.1f} MB")
