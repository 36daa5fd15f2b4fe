"""The axes of a space as a searcher sees them: one number each, on a scale that it can learn on, and back again."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from sweeper.spec.space.domains import Choice, Range, canonical_number, tidy
from sweeper.spec.space.space import Axis
from sweeper.trial import Value, canonical

_FINE = 2**20  # cells of [0, 1], where a domain is searched by its uniform number


class Scale(Enum):
    """What the number of a coordinate is: a row of a list, a step of a range, the value, or a uniform number."""

    ROW = "row"
    STEP = "step"
    VALUE = "value"
    UNIFORM = "uniform"


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One axis as a number from `low` to `high`, both included; rows are whole numbers without an order."""

    axis: Axis
    scale: Scale
    low: float
    high: float
    integer: bool = True
    log: bool = False
    rows: tuple[tuple[Value, ...], ...] = ()

    @property
    def name(self) -> str:
        return self.axis.name

    @property
    def middle(self) -> float:
        """What stands for an axis that is not active, where the searcher wants every coordinate."""
        if self.scale is Scale.ROW:
            return 0
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return round(middle) if self.integer else min(max(middle, self.low), self.high)

    def values(self, number: float) -> tuple[Value, ...]:
        """The values of the axis's parameters."""
        if self.scale is Scale.ROW:
            return self.rows[int(number)]
        domain = self.axis.parameters[0].domain
        if self.scale is Scale.UNIFORM or not isinstance(domain, Range):
            return self.axis.at(number)
        value = number if self.scale is Scale.VALUE else domain.low + number * (domain.step or 1)
        short = round(value) if domain.integer else tidy(value)
        return (min(max(short, canonical_number(domain.low)), canonical_number(domain.high)),)

    def number(self, point: Mapping[str, Value]) -> float | None:
        """The number of the values in a point that names at least one parameter of the axis; None for foreign ones."""
        if self.scale is Scale.ROW:
            return self._row(point)
        value, domain = canonical(point[self.name]), self.axis.parameters[0].domain
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if isinstance(domain, Range) and not domain.low <= value <= domain.high:
            return None
        if self.scale is Scale.UNIFORM:
            return self._uniform(value)
        if not isinstance(domain, Range) or self.scale is Scale.VALUE:
            return None if self.integer and not isinstance(value, int) else value
        step = round((value - domain.low) / (domain.step or 1))
        return step if step <= self.high and self.values(step) == (value,) else None

    def _row(self, point: Mapping[str, Value]) -> int | None:
        """The first row that agrees with the parameters the point names (1 and true differ)."""
        named = [(i, canonical(point[p.name])) for i, p in enumerate(self.axis.parameters) if p.name in point]
        for index, row in enumerate(self.rows):
            if all(repr(row[i]) == repr(value) for i, value in named):
                return index
        return None

    def _uniform(self, value: float) -> float:
        """The middle of the uniform numbers that give the value: a domain never descends."""
        cells = range(1, _FINE)
        first, last = (cut(cells, value, key=self._at_cell) for cut in (bisect_left, bisect_right))
        return min(max((first + last) / 2 / _FINE, self.low), self.high)

    def _at_cell(self, cell: int) -> float:
        value = self.axis.at(cell / _FINE)[0]
        assert isinstance(value, int | float)
        return value


def coordinate_of(axis: Axis) -> Coordinate:
    """The coordinate of an axis."""
    domain = axis.parameters[0].domain
    if len(axis.parameters) > 1 or isinstance(domain, Choice):
        rows = tuple(axis.rows())
        return Coordinate(axis, Scale.ROW, 0, len(rows) - 1, rows=rows)
    if isinstance(domain, Range) and domain.step is None:
        return Coordinate(axis, Scale.VALUE, domain.low, domain.high, domain.integer, domain.log)
    if isinstance(domain, Range) and not domain.log:
        steps = replace(domain, points=None).count() or 1
        return Coordinate(axis, Scale.STEP, 0, steps - 1)
    return Coordinate(axis, Scale.UNIFORM, 1 / _FINE, 1 - 1 / _FINE, integer=False)
