"""The records that pass between stages: a trial, its outcome, the events of its life, and the keys that name them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sweeper.value_text import NO_LABELS, Labels

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Params = Mapping[str, Value]

EXACT = 2**53  # the integers up to here are all floats
IMPORTED = "imported"  # in place of a code digest: the trial was trained by another tool, and only read in


class Cause(StrEnum):
    """Why an attempt failed."""

    EXCEPTION = "exception"  # the trainer raised
    CONTRACT = "contract"  # the trainer does not do what trainers must: trying again would not help
    TIMEOUT = "timeout"  # it trained for too long
    LOST = "lost"  # its process or node is gone
    CHANGED = "changed"  # its data are not those that were planned: pending until the sweep is planned again
    OUT_OF_MEMORY = "out_of_memory"  # its process was ended because memory was full


class State(StrEnum):
    """Where a trial stands. `completed`, `pruned` and `diverged` are results; only `failed` is tried again by itself.

    `stopped` is what a person stopped: in no mean, and trained on only when asked for.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_result(self) -> bool:
        return self in (State.COMPLETED, State.PRUNED, State.DIVERGED)


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration with one seed: the unit that is trained once and never again.

    `key` names the result (configuration, seed and trainer code); `config` names the configuration alone, so that the
    seeds of a group and the results of older code share it. `base` is shared by all trials of a sweep.
    """

    key: str
    config: str
    seed: int
    varied: Params
    base: Params
    trainer: str
    code: str
    labels: Labels = field(default=NO_LABELS, compare=False, repr=False)  # what people read; no part of the trial

    @property
    def is_imported(self) -> bool:
        """Whether another tool trained it: its code is unknown, and it cannot be trained again here."""
        return self.code == IMPORTED

    @property
    def params(self) -> dict[str, Value]:
        """Every setting of the trainer, resolved: dotted name -> value."""
        return {**self.base, **self.varied}

    @property
    def settings(self) -> str:
        """What varies, as text: `beta=1 JSD=0`; "" where nothing does."""
        return self.labels.settings(self.varied)

    @property
    def name(self) -> str:
        """What a person reads: `beta=1 JSD=0 seed=2`."""
        return f"{self.settings} seed={self.seed}".strip()


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took the trial up, at `step` where an earlier attempt left a checkpoint. Times are since the epoch."""

    trial: str
    attempt: int
    at: float
    device: str
    host: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class Reported:
    """The trainer reported metrics at a step. Steps ascend within an attempt."""

    trial: str
    attempt: int
    at: float
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over. `metrics` are the final ones, `steps` the last step reported.

    `wall_s` are the seconds trained, those before a checkpoint that it went on from included.

    `commit` is that of the repository trained in, `origin` the sweep a result was taken over from ("": trained here),
    and `retry` that the trial is tried again: then this is not its outcome. `cause` is the kind of failure
    ("" for none), `error` the class of the exception that the trainer raised.
    """

    trial: str
    attempt: int
    at: float
    state: State
    reason: str
    metrics: Mapping[str, float]
    steps: int
    wall_s: float
    started_at: float
    device: str
    host: str
    commit: str = ""
    origin: str = ""
    retry: bool = False
    cause: str = ""
    error: str = ""


Event = Started | Reported | Ended


@dataclass(slots=True)
class Record:
    """All that the ledger knows of one trial: the trial, its latest attempt and how that ended, in which run."""

    trial: Trial
    attempt: int = 0
    started: Started | None = None
    ended: Ended | None = None
    reports: list[Reported] = field(default_factory=list)
    resumed: int = 0  # the step at which the latest attempt took up
    run: int = field(default=0, compare=False)  # of its ledger, from 1; 0 where that has no end of it

    @property
    def state(self) -> State:
        if self.ended is not None:
            return State.PENDING if self.ended.retry else self.ended.state
        return State.RUNNING if self.started is not None else State.PENDING

    def value(self, metric: str) -> float | None:
        """The final value of a metric, by its own name or that of its column; None unless completed with a finite one.

        The value of a configuration is the mean of this over its seeds, `n` how many have one: pruned, failed and
        diverged seeds are counted next to it, never in it.
        """
        if self.state is not State.COMPLETED or self.ended is None:
            return None
        found = reported(self.ended.metrics, metric)
        return found if found is not None and math.isfinite(found) else None

    def advance(self, event: Event) -> None:
        """Take an event over; of the reports only the latest is kept, since the curve is in the results folder."""
        if isinstance(event, Started):
            self.attempt, self.started, self.ended = event.attempt, event, None
            self.reports = self.reports[-1:] if event.step else []
        elif isinstance(event, Reported):
            self.reports = [event]
        else:
            self.attempt, self.ended = event.attempt, event


METRIC = "metric."  # before the name of a metric in a table where a parameter or another column has the name itself


def reported(metrics: Mapping[str, float], name: str) -> float | None:
    """A metric by its own name or by that of its column in tables; None where it was not reported."""
    while name not in metrics and name.startswith(METRIC):
        name = name.removeprefix(METRIC)
    return metrics.get(name)


def values_of(records: Iterable[Record], metric: str) -> list[float]:
    """The values of a metric over seeds: of those that completed with a finite one."""
    return [value for record in records if (value := record.value(metric)) is not None]


def by_config(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each configuration, by its key: a configuration is its seeds. Everything is in the order given."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.trial.config, []).append(record)
    return groups


def canonical(value: Value) -> Value:
    """The one spelling of a value: 1.0 and 1e0 become 1, -0.0 becomes 0; true stays true; NaN and inf are refused.

    Beyond 2^53 floats stay floats (1e300 is not an integer of 301 digits), and an integer that is one becomes it.
    Mappings are sorted by their keys.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return int(value) if value.is_integer() and abs(value) <= EXACT else value
    if isinstance(value, int) and EXACT < abs(value) < 1e300 and float(value) == value:
        return float(value)
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, dict):
        return {name: canonical(value[name]) for name in sorted(value)}
    return value


def canonical_json(params: Params) -> str:
    """Sorted, dense JSON of canonical values: equal settings give equal text, whatever their order or spelling.

    >>> canonical_json({"steps": 3e6, "betas": [1.0, -0.0]})
    '{"betas":[1,0],"steps":3000000}'
    """
    return json.dumps({name: canonical(params[name]) for name in sorted(params)}, separators=(",", ":"))


def config_key(trainer: str, params: Params) -> str:
    """The key of a configuration: 16 hex digits over the trainer's name and its resolved settings, without a seed."""
    return config_key_of(trainer, canonical_json(params))


def config_key_of(trainer: str, canonical_text: str) -> str:
    """`config_key`, given the text of `canonical_json`."""
    return _digest("config-1", trainer, canonical_text)


def trial_key(config: str, seed: int, code: str) -> str:
    """The key of a trial: 16 hex digits over configuration, seed and the digest of the trainer's code."""
    return _digest("trial-1", config, str(seed), code)


def imported_key(*parts: str) -> str:
    """The key of an imported trial: `i` and 15 hex digits over where it comes from; no trained trial has such a key."""
    return f"i{_digest('import-1', *parts)[:15]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
