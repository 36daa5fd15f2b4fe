"""The settings of a sweep as records: goals, limits, resources, and what happens when something goes wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric to optimize; `impute` says what a diverged seed counts as: worst, ignore or fail."""

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
    """What one pack of trials gets; None is auto."""

    gpu: float | None = None
    cpu: float = 1
    pack: int | None = None
    max_concurrent: int | None = None


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
    strict: bool = False
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
