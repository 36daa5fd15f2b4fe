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
KINDS = ("same", "refuted", "elsewhere", "weaker")  # of answers, the strongest first
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


@dataclass(frozen=True)
class Answer:
    """Later claims that ask an undecided one again, and of what kind they are (see answers.yaml)."""

    kind: str
    others: tuple[tuple[str, str], ...]
    differs: str

    @property
    def text(self) -> str:
        return self.kind + (f": {self.differs}" if self.differs else "")


@cache
def answers() -> dict[tuple[str, str], list[Answer]]:
    """The answers to each undecided claim."""
    found: dict[tuple[str, str], list[Answer]] = {}
    for entry in yaml.safe_load(ANSWERS.read_text()):
        one = Answer(entry["kind"], tuple((entry["by"], other) for other in entry["with"]), entry.get("differs", ""))
        for name in entry["claims"]:
            found.setdefault((entry["open"], name), []).append(one)
    return found


def kind_of(claim: tuple[str, str]) -> str:
    """The strongest kind of a claim's answers, or a weaker one where these are undecided and answered in turn.

    "" where one of the strongest kind is undecided and not answered, whatever was asked less strictly.
    """
    given = answers().get(claim, [])
    if not given:
        return ""
    best = min((one.kind for one in given), key=KINDS.index)
    kinds = {best}
    for other in (other for one in given if one.kind == best for other in one.others):
        if verdicts()[other]["outcome"] == "undecided":
            kinds.add(kind_of(other))
    return "" if "" in kinds else max(kinds, key=KINDS.index)


def is_answered(claim: tuple[str, str]) -> bool:
    """Whether later claims ask the same and all of them are decided, or undecided and answered themselves."""
    return kind_of(claim) != ""


def still_open() -> list[OpenClaim]:
    """The undecided claims that no later ones answer."""
    return [one for one in open_claims() if not is_answered((one.collection, one.name))]


def answered() -> list[list[str]]:
    """Collection, claim, effect of undecided claims; the same and verdict of later ones; what differs."""
    found, rows = verdicts(), []
    for claim, given in answers().items():
        differs = "; ".join(dict.fromkeys(one.text for one in given))
        for i, other in enumerate(other for one in given for other in one.others):
            first = [*claim, _effect(found[claim])] if i == 0 else ["", "", ""]
            rows.append([*first, *other, found[other]["outcome"], _effect(found[other]), differs if i == 0 else ""])
    return rows


def _effect(one: Mapping[str, Any]) -> str:
    return f"{one['effect']:.3f} [{one['ci_low']:.3f}, {one['ci_high']:.3f}]"


def by_kind() -> dict[str, int]:
    """How many undecided claims have an answer of each kind; "" counts those that are open."""
    undecided = [claim for claim, one in verdicts().items() if one["outcome"] == "undecided"]
    kinds = [kind_of(claim) for claim in undecided]
    return {kind: kinds.count(kind) for kind in (*KINDS, "")}


def counts() -> str:
    """The three figures: undecided, undecided or with a weaker answer, open; and the kinds of the answers."""
    outcomes = [one["outcome"] for one in verdicts().values()]
    of, total = by_kind(), len(outcomes)
    strict, weak, unanswered = outcomes.count("undecided"), of["weaker"] + of[""], of[""]
    figures = ", ".join(
        f"{name}: {count} ({100 * count / total:.1f} %)"
        for name, count in (("undecided", strict), ("counting weaker answers", weak), ("open", unanswered))
    )
    kinds = ", ".join(f"{of[kind]} {kind}" for kind in KINDS)
    decided = f"{outcomes.count('pass')} pass, {outcomes.count('fail')} fail"
    return f"{total} verdicts: {decided}; {figures}; answers: {kinds}"


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


def at_full_strength() -> list[list[str]]:
    """All that are open or have a weaker answer, by what they ask: how many, seeds needed, hours of an idle core."""
    rest: dict[str, list[OpenClaim]] = {}
    for one in open_claims():
        if kind_of((one.collection, one.name)) in ("weaker", ""):
            rest.setdefault(one.asks, []).append(one)
    rows = []
    for kind, claims in sorted(rest.items(), key=lambda item: -len(item[1])):
        known = [one.needed for one in claims if one.needed is not None]
        hours = sum(one.minutes for one in claims if one.needed is not None) / 60
        span = f"{min(known)} to {max(known)}"
        rows.append([kind, str(len(claims)), span, str(len(claims) - len(known)), f"{hours:.0f}"])
    return rows


if __name__ == "__main__":
    print(counts())
    for row in [*answered(), *within(), *beyond(), *at_full_strength()]:
        print(f"| {' | '.join(row)} |")
