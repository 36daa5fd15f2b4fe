"""Entries of a ledger as records: trials, starts and ends, reports, looks. What is none of ours raises NOT_OURS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.trial import Ended, Record, Reported, Started, State, Trial

NOT_OURS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)  # what a stranger's line raises
KEY = re.compile("[0-9a-f]{16}|i[0-9a-f]{15}")  # trained, imported
# Until November 2026 this was written for trials of a pack that had only stopped at a checkpoint: they are pending.
NO_FAILURE = "trainer contract: train_pack() returned before this member had ended"


@dataclass(frozen=True, slots=True)
class Registration:
    """A claim as a run first wrote it down: its keys, which run, and the trials that had a result by then."""

    keys: dict[str, Any]
    run: int
    seen: frozenset[str]


@dataclass(frozen=True, slots=True)
class SweepLook:
    """A look at the results of fixed seeds: a run ended with every trial of its plan done, or trials were added.

    It had more results than the look before.
    """

    run: int
    seeds: int  # of the configuration that has the most


@dataclass(frozen=True, slots=True)
class ClaimLook:
    """A claim judged between two batches of seeds, as a run wrote it down.

    `claim` and `configs` are digests of its text and of the configurations that it was about, `seeds` is how many each
    had, `level` what the plan of looks left. `outcome`: pass, fail, futile, undecided (the last look), or open.
    `test` is the one that was used: t, signflip, bootstrap, exact, or "" (ledgers of before have none).
    """

    claim: str
    configs: str
    look: int
    seeds: int
    level: float
    outcome: str
    test: str = ""
    run: int = 0


@dataclass(frozen=True, slots=True)
class Addition:
    """What somebody added to a running sweep: KEY=VALUES, and the keys of the trials that this made.

    `file` is the digest of the sweep file's text, `seen` counts the results that the sweep had by then.
    """

    file: str
    settings: Mapping[str, str]
    trials: tuple[str, ...]
    seen: int = 0


def key_of(entry: Mapping[str, Any]) -> str:
    """The trial that an entry is about. Raises ValueError for what is no key: it would name a folder of its choice."""
    key: str = entry["trial"]
    if not KEY.fullmatch(key):
        raise ValueError("no trial key")
    return key


def keys_of(keys: object) -> list[str]:
    """The trials that a `run` or `more` asks for, in their order."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise TypeError("not a list of keys")
    return keys


def trial_of(entry: Mapping[str, Any]) -> Trial:
    """The trial that an entry describes."""
    params = entry["params"]
    varied = {name: params[name] for name in entry["varied"]}
    base = {name: value for name, value in params.items() if name not in varied}
    return Trial(key_of(entry), entry["config"], entry["seed"], varied, base, entry["trainer"], entry["code"])


def report_of(entry: Mapping[str, Any]) -> Reported:
    """A report of a file of curves."""
    return Reported(**{**entry, "metrics": _floats(entry["metrics"])})


def look_of(entry: Mapping[str, Any]) -> ClaimLook:
    """A claim's look that an entry holds."""
    return ClaimLook(
        claim=str(entry["claim"]),
        configs=str(entry["configs"]),
        look=int(entry["look"]),
        seeds=int(entry["seeds"]),
        level=float(entry["level"]),
        outcome=str(entry["outcome"]),
        test=str(entry.get("test", "")),
    )


def addition_of(entry: Mapping[str, Any]) -> Addition:
    """What a command that added trials holds."""
    settings = {str(key): str(text) for key, text in entry["settings"].items()}
    return Addition(str(entry["added_to"]), settings, tuple(keys_of(entry["trials"])))


def advance(record: Record, kind: str, entry: Mapping[str, Any], run: int) -> None:
    """Take over a start or an end in the ledger's run of this number; what is none of ours changes no record.

    The lines' order counts, as a clock may be set back between two runs.
    """
    if kind == "start":
        record.started, record.attempt, record.ended = Started(**entry), int(entry["attempt"]), None
        record.resumed = record.started.step
        return
    ended = {**entry, "state": State(entry["state"]), "metrics": _floats(entry["metrics"])}
    record.ended, record.attempt, record.run = Ended(**ended), int(entry["attempt"]), run
    if record.ended.reason == NO_FAILURE:
        record.started = record.ended = None


def _floats(metrics: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}
