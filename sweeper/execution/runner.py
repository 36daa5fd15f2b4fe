"""Packs on devices: what a runner is, and the one that runs packs here, in this process, one after the other.

A runner takes packs from its source and reports what happens; it decides nothing. The other runner is Ray Tune's, in
the package `ray_tune`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sweeper.execution.worker import pack
from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Cause, Event

PAUSE_S = 0.1  # between looks whether a paused run goes on


@dataclass(frozen=True, slots=True)
class Pack:
    """Attempts that share a process and a device; lost together when that process dies.

    `size` is how many train at once where the trainer can do that; None: what pays.
    """

    number: int
    jobs: tuple[Job, ...]
    size: int | None


@dataclass(frozen=True, slots=True)
class PackResources:
    """What a pack gets, and where the file sets it.

    `gpu` None: one GPU where there is one. `max_concurrent` None: as many packs as fit.
    """

    cpu: float
    gpu: float | None
    place: str
    max_concurrent: int | None


@dataclass(frozen=True, slots=True)
class Orders:
    """What the driver orders of a pack: trials that must end, whether all must stop at their next checkpoint, and
    further jobs (None: none were asked for)."""

    verdicts: Mapping[str, StopOrder] = field(default_factory=dict)
    stopping: bool = False
    jobs: tuple[Job, ...] | None = None


class Source(Protocol):
    """Hands packs out and records what became of them. Called from one thread; packs go by their numbers."""

    def next_pack(self) -> Pack | None:
        """The next pack, or None when there is none right now."""

    def more(self, number: int, count: int) -> Sequence[Job]:
        """Up to `count` further jobs for a pack."""

    def is_done(self) -> bool:
        """Whether there is no pack now and none will come, whatever happens to the running ones."""

    def is_waiting(self) -> bool:
        """Whether a pack may come although nothing happens to the running ones: the run was paused."""

    def is_stopping(self) -> bool:
        """Whether running packs must stop at their next checkpoint."""

    def is_cancelled(self) -> bool:
        """Whether running packs must stop now."""

    def verdicts(self, number: int) -> Mapping[str, StopOrder]:
        """The trials of a pack that must end, and why."""

    def hung(self) -> Sequence[int]:
        """The packs that did not stop when ordered to; their processes must be ended."""

    def progress(self, steps: Mapping[str, int]) -> None:
        """The steps that trials have made, by key: shown, not written down."""

    def record(self, event: Event) -> None:
        """Something happened to a member of a pack."""

    def lost(self, number: int, reason: str, cause: str = Cause.LOST) -> None:
        """The process of a pack is gone; members in training are lost with it."""

    def closed(self, number: int) -> None:
        """A pack is over; what it has not begun waits again."""


@dataclass(frozen=True, slots=True)
class InProcessDriver:
    """The driver of a pack that runs in the driver's own process."""

    source: Source
    number: int

    def send(self, event: Event) -> None:
        self.source.record(event)

    def progress(self, trial: str, step: int) -> None:
        self.source.progress({trial: step})

    def verdict(self, trial: str) -> StopOrder | None:
        return self.source.verdicts(self.number).get(trial)

    def is_stopping(self) -> bool:
        return self.source.is_stopping()

    def is_cancelled(self) -> bool:
        return self.source.is_cancelled()

    def more(self, count: int, *, wait: bool) -> Sequence[Job]:
        return self.source.more(self.number, count)


def offered_packs(source: Source) -> Iterator[Pack]:
    """The packs of a source, one after the other, until it is done or stopping; each is closed before the next."""
    while not source.is_done() and not source.is_stopping():
        offered = source.next_pack()
        if offered is not None:
            yield offered
            source.closed(offered.number)
        elif source.is_waiting():
            time.sleep(PAUSE_S)
        else:
            break


def run_in_process(source: Source) -> None:
    """Run packs one after the other until the source is done or stopping."""
    for offered in offered_packs(source):
        pack.run(offered.jobs, InProcessDriver(source, offered.number), offered.size)
