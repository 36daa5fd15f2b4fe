"""What a worker is given to do, and the driver as the worker sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sweeper.trial import Event, State, Value


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at a trial.

    `params` holds every setting and "seed"; `goals` the metrics that must be there and finite, `maximize` whether more
    of the first is better; `keep` and `every_s` are the rules for checkpoints; `shape` is the same for trials that can
    be trained as one program. `fresh` discards the checkpoints that are there, `alone` means that the last attempt
    failed: this one is to share no process. `searched` jobs are chosen by the results of those before: taken ahead of
    time, they are chosen blindly. `data` are the digests of the trainer's data files, "" for one that was not there.
    `storage` is where all nodes find checkpoints, "" for the results folder alone; `mark` is what the driver left in
    its results folder (`trial_files.py`), "" for nothing.
    """

    trial: str
    attempt: int
    target: str
    params: dict[str, Value]
    goals: tuple[str, ...]
    directory: Path
    commit: str = ""
    threads: int = 1
    keep: str = "none"
    every_s: float = 60.0
    maximize: bool = False
    shape: str = ""
    fresh: bool = False
    alone: bool = False
    searched: bool = False
    data: Mapping[str, str] = field(default_factory=dict)
    storage: str = ""
    mark: str = ""

    def may_join(self, other: Job) -> bool:
        """Whether this job can be trained in the pack of `other`."""
        return not self.alone and self.shape == other.shape


@dataclass(frozen=True, slots=True)
class StopOrder:
    """A trial is to end now: pruned, or failed because it took too long."""

    state: State
    reason: str
    cause: str = ""


class Driver(Protocol):
    """The driver of the sweep. Only `more(wait=True)` waits for it."""

    def send(self, event: Event) -> None:
        """Something happened to a trial."""

    def progress(self, trial: str, step: int) -> None:
        """A trial has made this step: shown, not written down."""

    def verdict(self, trial: str) -> StopOrder | None:
        """Whether a trial is to end now."""

    def is_stopping(self) -> bool:
        """Whether running trials are to stop at their next checkpoint."""

    def is_cancelled(self) -> bool:
        """Whether running trials are to stop now."""

    def more(self, count: int, *, wait: bool) -> Sequence[Job]:
        """Up to `count` further jobs for this worker, or with `wait` False those that have come by now."""
