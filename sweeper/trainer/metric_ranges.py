"""The ranges of metrics, as the descriptions of a trainer give them."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping

from sweeper.trainer.loading import BUNDLED

UNBOUNDED = (-math.inf, math.inf)

_RANGE = re.compile(r"\[(-?[\d.]+), (-?[\d.]+)\]")
_ENDS = re.compile(r"\[([^\[\],]+), ([^\[\],]+)\]")  # either may be a formula, as in `[0, ln K]`


def declared_ranges(metrics: Mapping[str, str] | None) -> dict[str, tuple[float, float]]:
    """The ranges in the descriptions of metrics, as `share of valid outputs, [0, 1]` has one.

    >>> declared_ranges({"accuracy": "share of right answers, [0, 1]", "loss": "nats, at least 0"})
    {'accuracy': (0.0, 1.0)}
    """
    found = {name: _RANGE.search(str(text)) for name, text in (metrics or {}).items()}
    return {name: (float(match[1]), float(match[2])) for name, match in found.items() if match}


def declared_ends(metrics: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """As `declared_ranges`; an end that is no number, such as a formula, is infinite.

    >>> declared_ends({"accuracy": "share of right answers, [0, 1]", "entropy": "of the posterior, [0, ln K] nats"})
    {'accuracy': (0.0, 1.0), 'entropy': (0.0, inf)}
    """
    found = {name: _ENDS.search(text) for name, text in metrics.items()}
    return {name: (_end(match[1], -math.inf), _end(match[2], math.inf)) for name, match in found.items() if match}


def bundled_ranges(name: str) -> dict[str, tuple[float, float]]:
    """The ranges of a bundled trainer's metrics, {} for another trainer."""
    return declared_ranges(_bundled(name))


def bundled_ends(name: str) -> dict[str, tuple[float, float]]:
    """The ends of the ranges of a bundled trainer's metrics, {} for another trainer."""
    return declared_ends(_bundled(name))


def _bundled(name: str) -> Mapping[str, str]:
    metrics: Mapping[str, str] = importlib.import_module(f"sweeper.{name}.metrics").METRICS if name in BUNDLED else {}
    return metrics


def _end(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
