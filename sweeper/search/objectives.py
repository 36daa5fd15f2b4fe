"""What a configuration is worth to a searcher: its seeds' mean for each goal, and how far it breaks each constraint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from sweeper.spec.space.expressions import Evaluate, Expression, UnknownName, condition
from sweeper.spec.space.tokens import ExpressionError, tokens
from sweeper.spec.sweep import Goal
from sweeper.trial import Ended, State

_SLIGHT = 1e-12  # a broken constraint is never scored as a kept one


@dataclass(slots=True)
class Objectives:
    """The goals, and the worst value of each that was seen so far: a diverged seed may have to count as that."""

    goals: Sequence[Goal]
    worst: dict[str, float] = field(default_factory=dict)

    def of(self, ends: Sequence[Ended]) -> list[float] | None:
        """The value of each goal, the mean over the seeds; None where too little remains to give one.

        Nothing is learned from a trial that a person stopped, nor imputed for it.
        """
        ends = [end for end in ends if end.state is not State.STOPPED]
        values = [self._mean(goal, ends) for goal in self.goals]
        return None if None in values else [value for value in values if value is not None]

    def _mean(self, goal: Goal, ends: Sequence[Ended]) -> float | None:
        seen = finite(goal.name, ends)
        known = [*seen, *([self.worst[goal.name]] if goal.name in self.worst else [])]
        if known:
            self.worst[goal.name] = min(known) if goal.maximize else max(known)
        missing = len(ends) - len(seen)
        if missing and goal.impute == "fail":
            return None
        if missing and goal.impute == "worst" and known:
            seen += [self.worst[goal.name]] * missing
        return fmean(seen) if seen else None


def finite(metric: str, ends: Sequence[Ended]) -> list[float]:
    """The metric's last values of the seeds that completed or were pruned, as far as they are numbers."""
    values = [end.metrics.get(metric) for end in ends if end.state in (State.COMPLETED, State.PRUNED)]
    return [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]


def violations(constraints: Sequence[Expression], ends: Sequence[Ended]) -> dict[str, float]:
    """How far the seeds' mean metrics break each constraint: 0 or below where it holds, 1 where it has no value."""
    names = {name for constraint in constraints for name in constraint.names}
    means = {name: fmean(values) for name in names if (values := finite(name, ends))}
    return {constraint.text: _violation(constraint, means) for constraint in constraints}


def _violation(constraint: Expression, means: Mapping[str, float]) -> float:
    """The signed distance of both sides where the constraint is one comparison, else 0 or 1."""
    try:
        holds = constraint.holds(means)
        sides = _sides(constraint.text)
        if sides is None:
            return 0.0 if holds else 1.0
        low, high = (float(side(means)) for side in sides)
    except (UnknownName, ExpressionError, TypeError, ValueError):
        return 1.0
    return min(low - high, 0.0) if holds else max(low - high, _SLIGHT)


def _sides(text: str) -> tuple[Evaluate, Evaluate] | None:
    """What should be smaller and what larger, where the text is one comparison and nothing else."""
    operators = [token for token in tokens(text) if token.kind == "operator"]
    orders = [token for token in operators if token.text in ("<", "<=", ">", ">=")]
    if len(orders) != 1 or any(token.text in ("and", "or", "not", "==", "!=") for token in operators):
        return None
    column = orders[0].column - 1
    try:
        left, right = (condition(side).value for side in (text[:column], text[column + len(orders[0].text) :]))
    except ExpressionError:
        return None  # the comparison stands in brackets
    return (left, right) if orders[0].text.startswith("<") else (right, left)
