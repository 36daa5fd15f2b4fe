"""A member of a pack in training, as far as it is no tensor."""

from __future__ import annotations

from dataclasses import dataclass, field

from sweeper.cvae.config import CVAEConfig, build
from sweeper.cvae.training.protocols import PackMember


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
