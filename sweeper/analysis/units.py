"""The unit of a metric, read from the line that describes it."""

from __future__ import annotations

import re

_INTERVAL = re.compile(r"\[[^\]]*\]")
_UNIT = re.compile(r"(?:nats|bits|ms|s|%|steps|tokens|bytes|MB|GB)(?: an? \w+)?")


def unit_of(description: str) -> str:
    """The unit that ends a metric's description: `mean entropy, [0, ln K] nats` is in nats; "" where there is none."""
    words = _INTERVAL.sub("", description).rpartition(",")[2].strip()
    return words if _UNIT.fullmatch(words) else ""
