"""Which configurations are best: those that keep the constraints first, by the goal, or by Pareto fronts for several.

The value of a configuration is the mean over its completed seeds. One without a completed seed comes after those that
have one. What a searcher imputes for a diverged seed (`metric.impute`) is no result, and does not count here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from sweeper.search.objectives import violations
from sweeper.spec.sweep import Goal, Sweep
from sweeper.trial import Record, State, by_config, values_of


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a configuration stands. `values` has the mean of each goal, None where too little is known.

    `broken` is the sum over the constraints of how far each is missed, 0 where all hold; `front` counts Pareto fronts
    from 0 among the configurations that are alike in all that comes before it (one goal: it counts distinct values).
    """

    config: str
    values: tuple[float, ...] | None
    complete: bool
    broken: float
    front: int = 0

    @property
    def is_feasible(self) -> bool:
        return self.complete and self.values is not None and self.broken == 0


def ranked(sweep: Sweep, records: Iterable[Record]) -> list[Standing]:
    """The standing of every configuration, the best first; where nothing tells them apart, in the order given."""
    groups = by_config(records)
    standings = [_standing(sweep, config, group) for config, group in groups.items()]
    classes: dict[tuple[bool, bool, float, bool], list[Standing]] = {}
    for standing in standings:
        pending = all(record.ended is None for record in groups[standing.config])
        unlike = (standing.values is None, not standing.complete, standing.broken, pending)
        classes.setdefault(unlike, []).append(standing)
    return [standing for unlike in sorted(classes) for standing in _by_goals(sweep.goals, classes[unlike])]


def best(sweep: Sweep, records: Iterable[Record]) -> list[Standing]:
    """The feasible configurations that none surpasses: the best one (several if equal), or the Pareto front."""
    return [standing for standing in ranked(sweep, records) if standing.is_feasible and standing.front == 0]


def places(sweep: Sweep | None, records: Iterable[Record]) -> dict[str, int]:
    """Configuration -> 1 for the best, equal for what nothing tells apart; no place for what has no value of a goal.

    Of several goals, equal are those of one Pareto front.
    """
    standings = ranked(sweep, records) if sweep is not None else []
    first: dict[tuple[object, ...], int] = {}
    return {
        one.config: first.setdefault((one.complete, one.broken, one.front), number)
        for number, one in enumerate(standings, 1)
        if one.values is not None
    }


def _standing(sweep: Sweep, config: str, group: Sequence[Record]) -> Standing:
    ends = [record.ended for record in group if record.ended is not None and record.state is State.COMPLETED]
    known = [values_of(group, goal.name) for goal in sweep.goals]
    values = tuple(fmean(seeds) for seeds in known) if known and all(known) else None
    broken = sum(max(far, 0.0) for far in violations(sweep.constraints, ends).values())
    return Standing(config, values, bool(ends), broken)


def _by_goals(goals: Sequence[Goal], standings: Sequence[Standing]) -> list[Standing]:
    """Front by front; within a front by the first goal, then as given."""
    signs = [-1 if goal.maximize else 1 for goal in goals]
    costs = [tuple(s * v for s, v in zip(signs, one.values or (), strict=False)) for one in standings]
    places = fronts(costs)
    order = sorted(range(len(standings)), key=lambda i: (places[i], costs[i][:1]))
    return [replace(standings[i], front=places[i]) for i in order]


def fronts(costs: Sequence[tuple[float, ...]]) -> list[int]:
    """The number of the front of each: 0 where no other is at least as good in all and better in one.

    In ascending order only those before a point can surpass it, and it belongs behind the last front that does.
    """
    points = sorted(set(costs))
    places = np.arange(len(points))
    if points and len(points[0]) > 1:
        table = np.array(points)
        for i, point in enumerate(table):
            above = places[:i][(table[:i] <= point).all(axis=1)]
            places[i] = above.max(initial=-1) + 1
    number = dict(zip(points, places.tolist(), strict=True))
    return [number[cost] for cost in costs]
