"""What a fused trainer needs from its caller: where members come from, and where their checkpoints go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol


class StateStore(Protocol):
    """Where a member's state is kept between attempts."""

    def load(self) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """The last saved tensors and data, if any."""

    def is_due(self) -> bool:
        """Whether to save now."""

    def save(self, step: int, tensors: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
        """Keeps the state; False if the member must stop here and go on another time."""


class FusedMember(Protocol):
    """One trial of a pack."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Its settings and its seed."""

    @property
    def directory(self) -> Path | None:
        """Its folder, for the trained model."""

    @property
    def checkpoint(self) -> StateStore | None:
        """Where its state is kept, if anywhere."""

    def progress(self, step: int) -> None:
        """It has made this step: for who watches, now and then."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Takes its metrics; False if the member must leave."""

    def finish(self, metrics: Mapping[str, float]) -> None:
        """It is done, with these final metrics."""

    def fail(self, error: Exception) -> None:
        """It alone failed."""


class MemberSource(Protocol):
    """Where the members of a pack come from."""

    @property
    def size(self) -> int | None:
        """How many at a time; None: the fastest number."""

    def join(self, free: int) -> Iterable[FusedMember]:
        """Up to ``free`` more members, [] when none is waiting; the first call gives at least one."""
