"""What the trainer needs from its caller: a source of members to train, and a store for their checkpoints.

A sweep, a test and :func:`sweeper.cvae.train` each bring their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from sweeper.cvae.config import CVAEConfig, build
from sweeper.cvae.stopping import is_reached


class CheckpointStore(Protocol):
    """Where a member's state is kept between attempts."""

    def load(self) -> tuple[Mapping[str, Tensor], Mapping[str, Any]] | None:
        """The last saved tensors and data, if any."""

    def is_due(self) -> bool:
        """Whether to save now."""

    def save(self, step: int, tensors: Mapping[str, Tensor], data: Mapping[str, Any]) -> bool:
        """Keeps the state; False if the member must stop here and go on another time."""


class PackMember(Protocol):
    """One trial of a pack."""

    @property
    def params(self) -> Mapping[str, object]:
        """Its flat settings and its seed."""

    @property
    def directory(self) -> Path | None:
        """Its folder, for the tables and the model."""

    @property
    def checkpoint(self) -> CheckpointStore | None:
        """Where its state is kept, if anywhere."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Takes its metrics; False if the member must leave."""

    def finish(self, metrics: Mapping[str, float]) -> None:
        """It is done, with these final metrics."""

    def fail(self, error: Exception) -> None:
        """It alone failed."""


class TrialSource(Protocol):
    """Where the members of a pack come from."""

    @property
    def size(self) -> int | None:
        """How many at a time; None: the fastest number."""

    def join(self, count: int) -> Iterable[PackMember]:
        """Up to ``count`` more members, [] when none is waiting; the first call gives at least one."""

    def give_back(self, members: Iterable[PackMember]) -> None:
        """Takes members back, to be trained another time from their last checkpoints."""


@dataclass(slots=True)
class RunningMember:
    """A member in training: its settings, the steps done, and when and what it reported last."""

    member: PackMember
    config: CVAEConfig
    seed: int
    step: int = 0
    reported: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, member: PackMember) -> RunningMember:
        """A member before its first step. Raises ValueError for bad settings."""
        settings = {key: value for key, value in member.params.items() if key != "seed"}
        seed = member.params.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed: found {seed!r}, allowed: an integer")
        return cls(member, build(settings), seed)

    @property
    def position(self) -> tuple[CVAEConfig, int, int]:
        """Its settings, seed and steps done: all that its next examples depend on."""
        return self.config, self.seed, self.step

    @property
    def is_last_step(self) -> bool:
        """Whether all its steps are done."""
        return self.step >= self.config.train.steps

    @property
    def report_due(self) -> bool:
        """Whether the step just done has a report that was not made yet."""
        due = self.is_last_step or self.step % self.config.train.report_every == 0
        return due and self.reported < self.step

    def ends_with(self, metrics: Mapping[str, float]) -> bool:
        """Whether a report of these metrics is its last."""
        return self.is_last_step or is_reached(self.config.train.stop_when, metrics)

    @property
    def steps_to_report(self) -> int:
        """How many steps until the next report."""
        train = self.config.train
        return (
            0 if self.report_due else min(train.steps - self.step, train.report_every - self.step % train.report_every)
        )
