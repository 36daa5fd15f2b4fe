"""A chain of hashes through a ledger: each line carries the SHA-256 of the line before it.

Changing, removing or inserting a line breaks the chain at the next one. Lines cut off at the end leave no break:
those show when the head, as it was quoted in a paper or a tag, is no longer found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

CLOCK_SLACK_S = 60.0  # clocks of two machines may differ by so much
GENESIS = "0" * 64  # what the first line of a ledger carries


def digest(line: bytes) -> str:
    """The hash of a line, without its line end: 64 hex digits."""
    return hashlib.sha256(line).hexdigest()


@dataclass(slots=True)
class Chain:
    """What following a ledger's chain found.

    `head` is the hash of the last whole line, `lines` how many there are, torn ones included. `since` is the first
    line that carries a hash (0: none does; older versions wrote none) and `breaks` the lines that do not follow the
    whole line before them, all counted from 1. `quoted_at` is the line whose hash is `quoted`, 0 where none is.
    `turned_back` are the lines of a run, a look or an end that are dated before an earlier one. What is older than what
    goes by the order of lines alone.
    """

    quoted: str = ""
    head: str = GENESIS
    lines: int = 0
    since: int = 0
    breaks: list[int] = field(default_factory=list)
    quoted_at: int = 0
    turned_back: list[int] = field(default_factory=list)
    latest: float = 0.0

    def date(self, at: float) -> None:
        """The time of the line that was followed last."""
        if at < self.latest - CLOCK_SLACK_S:
            self.turned_back.append(self.lines)
        self.latest = max(self.latest, at)

    def skip(self) -> None:
        """A torn or damaged line: the chain passes over it, and breaks at the next where the line was once whole."""
        self.lines += 1

    def follow(self, line: bytes, previous: str) -> None:
        """The next whole line, and the hash that it carries ("" for none)."""
        self.lines += 1
        if previous and not self.since:
            self.since = self.lines
        if self.since and previous != self.head:
            self.breaks.append(self.lines)
        self.head = digest(line)
        if self.quoted and self.head == self.quoted:
            self.quoted_at = self.lines
