"""What the trainer asks of whoever runs it: members to train, and a place for what they leave behind.

Nothing here is made in this package; a sweep, a test or :func:`sweeper.cvae.train.train` brings its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor


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
