"""The command that frees disk space: gc."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sweeper.cli.options import Shared, shares
from sweeper.cli.output import news_console, print_json, results_console


@shares("results", "as_json", "no_color")
def gc(yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False, *, shared: Shared) -> None:
    """Remove checkpoints and models that no rule keeps; prints their size first."""
    from sweeper.execution import retention

    console, found = news_console(shared.no_color), retention.find(shared.results)
    free = [item for item in found if not item.in_use]
    total = sum(item.size for item in free)
    if shared.as_json:
        rows = [
            {"sweep": g.sweep, "files": len(g.files), "bytes": g.size, "in_use": g.in_use, "unknown_trials": g.unknown}
            for g in found
        ]
        print_json({"results": str(shared.results), "bytes": total, "removed": yes, "sweeps": rows})
    else:
        for item in found:
            used = (
                f"  kept: those of {item.unknown} trials that the ledger does not account for" if item.unknown else ""
            )
            used += f"  left alone: run by {item.in_use}" if item.in_use else ""
            files = f"{len(item.files)} files of {item.trials} trials"
            results_console(shared.no_color).print(f"{item.sweep}  {item.size / 1e6:.1f} MB in {files}{used}")
    if not total:
        console.print(f"nothing to remove in {shared.results}")
        return
    if not yes and (shared.as_json or not sys.stdin.isatty()):
        console.print(f"{total / 1e6:.1f} MB would be removed; add --yes")
    elif yes or typer.confirm(f"Remove {total / 1e6:.1f} MB?", err=True):
        for item in free:
            retention.remove(item)
        console.print(f"removed {total / 1e6:.1f} MB")
