"""Prints what each undecided claim would cost, for results/README.md: `python results/undecided.py`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
    asks: str
    seeds: int
    needed: int | None
    trials: int
    minutes: float


def asks(claim: Mapping[str, Any]) -> str:
    """What kind of thing is claimed: for what reason few seeds leave it undecided."""
    if claim.get("over") == "trials":
        return "a share of one half"
    if claim.get("effect") in ("not_lower", "not_higher") or claim.keys() & {"mean", "share", "best"}:
        return "that no seed loses much"
    return "that alignment is chance" if claim.keys() & {"equivalent", "typical"} else "a gain"


def open_claims() -> list[OpenClaim]:
    """The undecided claims of every collection, cheapest first."""
    found = []
    for folder in sorted(PUBLISHED.iterdir()):
        with (folder / "trials.csv").open() as table:
            kept = next(csv.DictReader(table))["device"] == "cpu"
        claims = {one["name"]: one for one in yaml.safe_load((folder / "sweep.yaml").read_text()).get("expect", ())}
        task = next((task for task in SECONDS if task in folder.name), "operators")
        for one in json.loads((folder / "verify.json").read_text())["verdicts"]:
            if one["outcome"] == "undecided":
                rows = max(len(one["rows"]), 1)
                seeds = one["n"] if one["kind"] == "best" else one["n"] // rows
                more = max((one["needed"] or 0) - (seeds if kept else 0), 0)
                trials = more * rows * SIDES.get(one["kind"], 1)
                kind = asks(claims[one["name"]])
                minutes = trials * SECONDS[task] / 60
                found.append(OpenClaim(folder.name, one["name"], kind, seeds, one["needed"], trials, minutes))
    return sorted(found, key=lambda one: (one.minutes, one.collection, one.name))


def within() -> list[list[str]]:
    """Those that at most so many seeds would decide: collection, claim, seeds, seeds needed, trials, minutes."""
    some = [one for one in open_claims() if one.needed is not None and one.needed <= MOST]
    return [[o.collection, o.name, str(o.seeds), str(o.needed), str(o.trials), f"{o.minutes:.0f}"] for o in some]


def beyond() -> list[list[str]]:
    """The others by what they ask: how many, seeds needed, how many have no number, and the collections."""
    rest: dict[str, list[OpenClaim]] = {}
    for one in open_claims():
        if one.needed is None or one.needed > MOST:
            rest.setdefault(one.asks, []).append(one)
    rows = []
    for kind, claims in sorted(rest.items(), key=lambda item: -len(item[1])):
        known = [one.needed for one in claims if one.needed is not None]
        names = ", ".join(sorted({one.collection for one in claims}))
        rows.append([kind, str(len(claims)), f"{min(known)} to {max(known)}", str(len(claims) - len(known)), names])
    return rows


if __name__ == "__main__":
    for row in [*within(), *beyond()]:
        print(f"| {' | '.join(row)} |")
