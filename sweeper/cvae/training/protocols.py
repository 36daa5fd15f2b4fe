"""What the trainer asks of whoever runs it: members to train, and a place for what they leave behind.

Nothing here is made in this package; a sweep, a test or :func:`sweeper.cvae.train.train` brings its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from sweeper.cvae.config import CVAEConfig, build


class CheckpointStore(Protocol):
    """Where a member's state is kept between attempts."""

    def load(self) -> tuple[Mapping[str, Tensor], Mapping[str, Any]] | None:
        """What was saved last, if anything."""

    def is_due(self) -> bool:
        """Whether to save now."""

    def save(self, step: int, tensors: Mapping[str, Tensor], data: Mapping[str, Any]) -> bool:
        """Keeps the state; False if the member is to stop here and go on another time."""


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
        """Hands metrics over; False if the member is to be dropped."""

    def finish(self, metrics: Mapping[str, float]) -> None:
        """It is done."""

    def fail(self, error: Exception) -> None:
        """It alone went wrong."""


class TrialSource(Protocol):
    """Where the members of a pack come from."""

    @property
    def size(self) -> int | None:
        """How many at a time; None: the number that pays."""

    def join(self, count: int) -> Iterable[PackMember]:
        """Up to ``count`` more members; the first call gives at least one."""

    def give_back(self, members: Iterable[PackMember]) -> None:
        """Members to be trained another time, from their last checkpoints."""


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
    def place(self) -> tuple[CVAEConfig, int, int]:
        """Where it is on which course: settings, seed, steps done."""
        return self.config, self.seed, self.step

    @property
    def is_last_step(self) -> bool:
        """Whether all its steps are done."""
        return self.step >= self.config.train.steps

    @property
    def owes_a_report(self) -> bool:
        """Whether a report belongs to the step just done, and was not made."""
        due = self.is_last_step or self.step % self.config.train.report_every == 0
        return due and self.reported < self.step

    def steps_to_report(self) -> int:
        """How many steps until the next report."""
        train = self.config.train
        return (
            0
            if self.owes_a_report
            else min(train.steps - self.step, train.report_every - self.step % train.report_every)
        )
