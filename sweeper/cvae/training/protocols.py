"""What the trainer needs from its caller: a source of members to train, and a store for their checkpoints.

A sweep, a test and :func:`sweeper.cvae.train` each bring their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from sweeper.cvae.config import CVAEConfig, build
from sweeper.cvae.stopping import Patience, is_reached
from sweeper.cvae.terms import TERM_OF_WEIGHT


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

    def progress(self, step: int) -> None:
        """It has made this step: for who watches, now and then."""

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
    patience: Patience = field(default_factory=Patience)

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
        train = self.config.train
        is_waiting = not train.patience or self.patience_after(metrics).waited < train.patience
        return self.is_last_step or is_reached(train.stop_when, metrics) or not is_waiting

    def patience_after(self, metrics: Mapping[str, float]) -> Patience:
        """What patience is left after a report of these metrics; while a schedule moves a weight, none is used up."""
        train, loss = self.config.train, self.config.loss
        moving = (getattr(loss.schedules, weight) for weight in TERM_OF_WEIGHT)
        if self.step < train.steps * max((each.end for each in moving if each.kind != "constant"), default=0.0):
            return Patience()
        return self.patience.after(train.patience_metric, metrics.get(train.patience_metric, math.nan))

    @property
    def steps_to_report(self) -> int:
        """How many steps until the next report."""
        train = self.config.train
        return (
            0 if self.report_due else min(train.steps - self.step, train.report_every - self.step % train.report_every)
        )
