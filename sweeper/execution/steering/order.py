"""What a command is to a session: refused, or an order that can be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class Refused(Exception):
    """The command cannot be done; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command that can be done: what it does in words, the keys of the trials that it stops or adds, and doing it.

    `record` is what its entry in the ledger has besides.
    """

    text: str
    trials: tuple[str, ...] = ()
    act: Callable[[], None] = lambda: None
    record: Mapping[str, object] = field(default_factory=dict)
