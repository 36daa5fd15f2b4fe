"""A valid sweep as records: what every later stage works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.errors import Problem
from sweeper.spec.claims.records import Claim
from sweeper.spec.document import Document, Place, above
from sweeper.spec.space.expressions import Expression
from sweeper.spec.space.space import Space
from sweeper.spec.written_floats import FloatPlaces
from sweeper.trial import Params
from sweeper.value_text import NO_LABELS, Labels

ADAPTIVE = ("tpe", "gp", "cmaes", "nsga2")  # methods whose next point depends on results


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric to optimize; `impute` is what a diverged seed counts as: worst, ignore or fail."""

    name: str
    maximize: bool
    impute: str


@dataclass(frozen=True, slots=True)
class Budget:
    """When the sweep stops: trials, wall-clock seconds, seconds summed over devices; None is no limit."""

    trials: int | None = None
    wall_s: float | None = None
    device_s: float | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What one pack of trials gets; None is auto, and no limit to the seconds of an attempt."""

    gpu: float | None = None
    cpu: float = 1
    pack: int | None = None
    max_concurrent: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Further attempts after a crash, but never after these exceptions."""

    max: int = 2
    never_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Abort:
    """Failed trials in a row that stop the sweep; None never."""

    consecutive_failures: int | None = 5


@dataclass(frozen=True, slots=True)
class Notify:
    """A command for notices, () for none, and how many failed trials in a row are worth one."""

    command: tuple[str, ...] = ()
    failures: int = 3


@dataclass(frozen=True, slots=True)
class EarlyTermination:
    """When a trial is stopped; `type` none: never. Steps are the trainer's, reports are counted from 1."""

    type: str = "none"
    metric: str | None = None
    min_steps: int | None = None
    max_steps: int | None = None
    min_reports: int | None = None
    max_reports: int | None = None
    eta: float = 3
    brackets: int | None = None
    strict: bool = True
    startup_trials: int = 5
    patience: int | None = None
    min_delta: float = 0
    below: float | None = None
    above: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Seconds between checkpoints, and which remain after a trial: none, last, best or all."""

    every_s: float = 60
    keep: str = "none"


@dataclass(frozen=True, slots=True)
class Tracking:
    """An MLflow server; None is SQLite in the results folder."""

    uri: str | None = None


@dataclass(frozen=True, slots=True)
class LookPlan:
    """Seeds in batches: the open claims are judged at `start` seeds per configuration, then up to `most` in `looks`.

    `spending` names the function that shares the level out to the looks. A claim whose chance to pass by the last look
    is below `futility` gets no further seeds.
    """

    start: int
    most: int
    looks: int = 6
    spending: str = "obrien_fleming"
    futility: float = 0.05

    @property
    def sizes(self) -> tuple[int, ...]:
        """The seeds per configuration at each look, as evenly spaced as whole numbers are."""
        steps = min(self.looks - 1, self.most - self.start)
        return tuple(self.start + round((self.most - self.start) * step / steps) for step in range(steps + 1))


@dataclass(frozen=True, slots=True)
class Sweep:
    """A valid sweep. Two are equal when they describe the same trials, wherever their files lie."""

    name: str
    description: str
    trainer: str | None
    base: Params
    method: str
    sampler_seed: int
    goals: tuple[Goal, ...]
    space: Space
    configs: tuple[Params, ...]
    constraints: tuple[Expression, ...]
    seeds: tuple[int, ...]
    budget: Budget
    resources: Resources
    retry: Retry
    abort: Abort
    early: EarlyTermination
    checkpoints: Checkpoints
    tracking: Tracking
    claims: tuple[Claim, ...]
    source: Path = field(compare=False)
    text: str = field(compare=False, repr=False)
    warnings: tuple[Problem, ...] = field(compare=False, repr=False)
    places: Mapping[str, Place] = field(compare=False, repr=False)
    floats: Mapping[str, FloatPlaces] = field(default_factory=dict, compare=False, repr=False)
    labels: Labels = field(default=NO_LABELS, compare=False, repr=False)
    notify: Notify = Notify()
    prior: tuple[str, ...] = ()  # the sweeps whose results a search begins with
    storage: str = ""  # where checkpoints go besides the results folder
    looks: LookPlan | None = None  # `seeds` are then those of the first look

    @property
    def most_seeds(self) -> int:
        """How many seeds a configuration can get."""
        return self.looks.most if self.looks else len(self.seeds)

    def place(self, key: str) -> str:
        """Where a key of the file stands, or the setting or parameter of that name: `grid.yaml:12`, `command line`."""
        for candidate in (key, f"parameters.{key}", f"base.{key}"):
            if candidate in self.places:
                return str(self.places[candidate])
        return str(Document({}, dict(self.places)).place(above(key)))
