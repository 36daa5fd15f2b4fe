"""The early end of a training: conditions such as ``task_accuracy >= 0.99 and alignment >= 0.9``, and patience."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sweeper.cvae.metrics import REPORTED

STOP_WHEN = "null, or METRIC >= NUMBER (or <=), several joined by `and`"
_CLAUSE = re.compile(r"\s*([\w/]+)\s*(>=|<=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


def is_stop_condition(value: object) -> bool:
    """Whether ``value`` is None or a condition on metrics that this trainer reports."""
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    matches = [_CLAUSE.fullmatch(clause) for clause in value.split(" and ")]
    return all(match is not None and match[1] in REPORTED for match in matches)


def metrics_of(condition: str) -> list[str]:
    """The metrics that a condition names."""
    return [match[1] for clause in condition.split(" and ") if (match := _CLAUSE.fullmatch(clause))]


def is_reached(condition: str | None, metrics: Mapping[str, float]) -> bool:
    """Whether the reported metrics fulfil every clause; a metric that is missing does not."""
    if condition is None:
        return False
    return all(_holds(clause, metrics) for clause in condition.split(" and "))


def _holds(clause: str, metrics: Mapping[str, float]) -> bool:
    match = _CLAUSE.fullmatch(clause)
    assert match is not None
    value, bound = metrics.get(match[1], float("nan")), float(match[3])
    return value >= bound if match[2] == ">=" else value <= bound


MONITORED = {"loss/total": -1, "nll": -1, "task_accuracy": 1, "alignment": 1}
"""The metrics that patience may wait for, and whether more (1) or less (-1) of them is better."""


class Patience(NamedTuple):
    """The best value of the monitored metric so far, and how many reports have passed since.

    >>> waiting = Patience()
    >>> for nll in (3.0, 2.0, 2.0, 2.5):
    ...     waiting = waiting.after("nll", nll)
    >>> waiting
    Patience(best=2.0, waited=2)
    """

    best: float | None = None
    waited: int = 0

    def after(self, metric: str, value: float) -> Patience:
        """The state after one more report; an equal value is no better one."""
        if self.best is None or MONITORED[metric] * (value - self.best) > 0:
            return Patience(value)
        return Patience(self.best, self.waited + 1)
