"""From a sweep to its configurations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from sweeper.errors import Problem, SpecError, did_you_mean, excerpt
from sweeper.spec.document import Document
from sweeper.spec.load import placed
from sweeper.spec.space.space import Point, Removed
from sweeper.spec.sweep import (
    ADAPTIVE,
    Sweep,
)
from sweeper.trial import Params


@dataclass(frozen=True, slots=True)
class Configurations:
    """The configurations of a sweep: `points` can be read once, `removed` counts along as they are.

    `complete` is False where a searcher will add to them, or where the number of draws is not given.
    """

    points: Iterable[Point]
    removed: Removed
    complete: bool


def configurations(sweep: Sweep, defaults: Params = MappingProxyType({})) -> Configurations:
    """The configurations that a sweep will train, varied and active parameters only.

    `defaults` are the trainer's settings, which conditions may read besides those of the file. Raises SpecError for
    other names, and while `points` are read, where a condition has no value.
    """
    if problems := unknown_names(sweep, defaults):
        raise SpecError(*problems)
    space = replace(sweep.space, fixed={**defaults, **sweep.base})
    removed: Removed = {clause.text: 0 for clause in space.where}
    if sweep.method == "grid":
        points = space.grid(removed)
    elif sweep.method == "list":
        points = space.listed(sweep.configs, removed)
    elif sweep.method in ADAPTIVE or sweep.budget.trials is None:
        return Configurations((), removed, False)
    else:
        count = math.ceil(sweep.budget.trials / len(sweep.seeds))
        draw = space.qmc if sweep.method == "qmc" else space.random
        points = draw(count, sweep.sampler_seed, removed)
    return Configurations(_with_places(points, sweep), removed, True)


def unknown_names(sweep: Sweep, defaults: Params) -> list[Problem]:
    """The names that conditions read and that neither the file nor the trainer has."""
    listed = {name for config in sweep.configs for name in config}
    known = {*defaults, *sweep.space.fixed, *listed, *(parameter.name for parameter in sweep.space.parameters)}
    read = [(f"where[{index}]", clause) for index, clause in enumerate(sweep.space.where)]
    read += [(f"parameters.{p.name}.when", p.when) for p in sweep.space.parameters if p.when is not None]
    read += [
        (f"expect[{index}].where", claim.where) for index, claim in enumerate(sweep.claims) if claim.where is not None
    ]
    return [
        Problem("no such setting", sweep.place(key), key, excerpt(name), hint=did_you_mean(name, sorted(known)))
        for key, clause in read
        for name in clause.names
        if name not in known
    ]


def _with_places(points: Iterator[Point], sweep: Sweep) -> Iterator[Point]:
    try:
        yield from points
    except SpecError as error:
        raise placed(error, Document({}, dict(sweep.places))) from None
