"""Prints which undecided claims later ones answer, and what the others cost: `python results/undecided.py`."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PUBLISHED = Path(__file__).parent / "published"
ANSWERS = Path(__file__).parent / "answers.yaml"
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
        for (of, _), one in verdicts().items():
            if of == folder.name and one["outcome"] == "undecided":
                rows = max(len(one["rows"]), 1)
                seeds = one["n"] if one["kind"] == "best" else one["n"] // rows
                more = max((one["needed"] or 0) - (seeds if kept else 0), 0)
                trials = more * rows * SIDES.get(one["kind"], 1)
                kind = asks(claims[one["name"]])
                minutes = trials * SECONDS[task] / 60
                found.append(OpenClaim(folder.name, one["name"], kind, seeds, one["needed"], trials, minutes))
    return sorted(found, key=lambda one: (one.minutes, one.collection, one.name))


@cache
def verdicts() -> dict[tuple[str, str], Mapping[str, Any]]:
    """Every published verdict by collection and claim."""
    files = {folder.name: json.loads((folder / "verify.json").read_text()) for folder in sorted(PUBLISHED.iterdir())}
    return {(name, one["name"]): one for name, file in files.items() for one in file["verdicts"]}


@cache
def answers() -> dict[tuple[str, str], tuple[list[tuple[str, str]], str]]:
    """For an undecided claim, the later ones that ask the same, and what they ask differently."""
    found: dict[tuple[str, str], tuple[list[tuple[str, str]], str]] = {}
    for entry in yaml.safe_load(ANSWERS.read_text()):
        for name in entry["claims"]:
            others, differs = found.get((entry["open"], name), ([], ""))
            others = others + [(entry["by"], other) for other in entry["with"]]
            found[entry["open"], name] = others, "; ".join(filter(None, (differs, entry["differs"])))
    return found


def is_answered(claim: tuple[str, str]) -> bool:
    """Whether later claims ask the same and all of them are decided, or undecided and answered themselves."""
    others, _ = answers().get(claim, ([], ""))
    found = verdicts()
    return bool(others) and all(found[other]["outcome"] != "undecided" or is_answered(other) for other in others)


def still_open() -> list[OpenClaim]:
    """The undecided claims that no later ones answer."""
    return [one for one in open_claims() if not is_answered((one.collection, one.name))]


def answered() -> list[list[str]]:
    """Collection, claim, effect of undecided claims; the same and verdict of later ones; what differs."""
    found, rows = verdicts(), []
    for claim, (others, differs) in answers().items():
        for i, other in enumerate(others):
            first = [*claim, _effect(found[claim])] if i == 0 else ["", "", ""]
            rows.append([*first, *other, found[other]["outcome"], _effect(found[other]), differs if i == 0 else ""])
    return rows


def _effect(one: Mapping[str, Any]) -> str:
    return f"{one['effect']:.3f} [{one['ci_low']:.3f}, {one['ci_high']:.3f}]"


def counts() -> str:
    """How many verdicts are undecided, and how many questions are open."""
    outcomes = [one["outcome"] for one in verdicts().values()]
    return f"{len(outcomes)} verdicts, {outcomes.count('undecided')} undecided; {len(still_open())} questions open"


def within() -> list[list[str]]:
    """Open ones that at most so many seeds would decide: collection, claim, seeds, seeds needed, trials, minutes."""
    some = [one for one in still_open() if one.needed is not None and one.needed <= MOST]
    return [[o.collection, o.name, str(o.seeds), str(o.needed), str(o.trials), f"{o.minutes:.0f}"] for o in some]


def beyond() -> list[list[str]]:
    """The other open ones by what they ask: how many, seeds needed, how many have no number, and the collections."""
    rest: dict[str, list[OpenClaim]] = {}
    for one in still_open():
        if one.needed is None or one.needed > MOST:
            rest.setdefault(one.asks, []).append(one)
    rows = []
    for kind, claims in sorted(rest.items(), key=lambda item: -len(item[1])):
        known = [one.needed for one in claims if one.needed is not None]
        names = ", ".join(sorted({one.collection for one in claims}))
        rows.append([kind, str(len(claims)), f"{min(known)} to {max(known)}", str(len(claims) - len(known)), names])
    return rows


if __name__ == "__main__":
    print(counts())
    for row in [*answered(), *within(), *beyond()]:
        print(f"| {' | '.join(row)} |")
