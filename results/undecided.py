"""Prints the price of each undecided claim, for results/README.md: `python results/undecided.py`."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

PUBLISHED = Path(__file__).parent / "published"
MOST = 30  # seeds of a configuration
SECONDS = {"sum": 72, "detour": 20, "operators": 23}  # of an idle core and trial: ordered_sum, detour, operator_order
SIDES = {"compare": 2, "interaction": 4}  # the configurations that one row of a verdict compares


@dataclass(frozen=True)
class OpenClaim:
    """An undecided claim, the seeds it had, those that would decide it with 80 % power, and the trials for these.

    Trials that ran on a GPU had an older code of the trainer: on a CPU all seeds are to be trained again.
    """

    collection: str
    name: str
    seeds: int
    needed: int | None
    trials: int
    minutes: float


def open_claims() -> list[OpenClaim]:
    """The undecided claims of every collection, cheapest first."""
    found = []
    for folder in sorted(PUBLISHED.iterdir()):
        with (folder / "trials.csv").open() as table:
            kept = next(csv.DictReader(table))["device"] == "cpu"
        task = next((task for task in SECONDS if task in folder.name), "operators")
        for one in json.loads((folder / "verify.json").read_text())["verdicts"]:
            if one["outcome"] == "undecided":
                rows = max(len(one["rows"]), 1)
                seeds = one["n"] if one["kind"] == "best" else one["n"] // rows
                more = max((one["needed"] or 0) - (seeds if kept else 0), 0)
                trials = more * rows * SIDES.get(one["kind"], 1)
                minutes = trials * SECONDS[task] / 60
                found.append(OpenClaim(folder.name, one["name"], seeds, one["needed"], trials, minutes))
    return sorted(found, key=lambda one: (one.minutes, one.collection, one.name))


def within() -> list[list[str]]:
    """Those that at most so many seeds would decide: collection, claim, seeds, seeds needed, trials, minutes."""
    some = [one for one in open_claims() if one.needed is not None and one.needed <= MOST]
    return [[o.collection, o.name, str(o.seeds), str(o.needed), str(o.trials), f"{o.minutes:.0f}"] for o in some]


def beyond() -> list[list[str]]:
    """The others by collection: how many, the fewest and the most seeds needed, and for how many no number is known."""
    rest: dict[str, list[OpenClaim]] = {}
    for one in open_claims():
        if one.needed is None or one.needed > MOST:
            rest.setdefault(one.collection, []).append(one)
    rows = []
    for collection, claims in sorted(rest.items()):
        known = [one.needed for one in claims if one.needed is not None]
        ends = f"{min(known)} to {max(known)}" if known else "-"
        rows.append([collection, str(len(claims)), ends, str(len(claims) - len(known))])
    return rows


if __name__ == "__main__":
    for row in [*within(), *beyond()]:
        print(f"| {' | '.join(row)} |")
