"""The ranges of metrics, as the descriptions of a trainer give them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping

from sweeper.trainer.trainer import BUNDLED

_RANGE = re.compile(r"\[(-?[\d.]+), (-?[\d.]+)\]")


def declared_ranges(metrics: Mapping[str, str] | None) -> dict[str, tuple[float, float]]:
    """The ranges in the descriptions of metrics, as `share of valid outputs, [0, 1]` has one.

    >>> declared_ranges({"accuracy": "share of right answers, [0, 1]", "loss": "nats, at least 0"})
    {'accuracy': (0.0, 1.0)}
    """
    found = {name: _RANGE.search(str(text)) for name, text in (metrics or {}).items()}
    return {name: (float(match[1]), float(match[2])) for name, match in found.items() if match}


def bundled_ranges(name: str) -> dict[str, tuple[float, float]]:
    """The ranges of a bundled trainer's metrics, {} for another trainer."""
    return declared_ranges(importlib.import_module(f"sweeper.{name}.metrics").METRICS) if name in BUNDLED else {}
