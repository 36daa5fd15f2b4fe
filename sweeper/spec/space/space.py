"""The space of a sweep: its parameters, which of them move together or depend on others, and the points in it.

A point names only the parameters that are active in it: where a `when` is false, the trainer's own value applies.
Conditions read what the trainer will get: the active value, else the fixed one (base settings, trainer defaults).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.errors import Problem, SpecError
from sweeper.spec.space.domains import Choice, Domain
from sweeper.spec.space.expressions import Expression, UnknownName
from sweeper.spec.space.sampling import uniform
from sweeper.spec.space.tokens import ExpressionError
from sweeper.trial import Params, Value
from sweeper.value_text import show

Point = dict[str, Value]
Removed = dict[str, int]  # the text of a where clause -> how many points it removed

MAX_POINTS = 1_000_000  # of a grid, before where: hours of planning, and surely a slip
_PATIENCE = 10_000  # draws in a row without a new allowed point, before the rest counts as impossible


@dataclass(frozen=True, slots=True)
class Parameter:
    """A dotted name, what it can be, and the condition under which it is part of a configuration."""

    name: str
    domain: Domain
    when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter, or several that move together: then row k holds the k-th value of each."""

    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        return self.parameters[0].name

    def count(self) -> int | None:
        return self.parameters[0].domain.count()

    def rows(self) -> list[tuple[Value, ...]]:
        """The finite list of the axis. Raises SpecError where there is none."""
        columns = [parameter.domain.grid() for parameter in self.parameters]
        for parameter, column in zip(self.parameters, columns, strict=True):
            if column is None:
                raise SpecError(no_list(parameter))
        return list(zip(*[column for column in columns if column is not None], strict=True))

    def at(self, u: float) -> tuple[Value, ...]:
        if len(self.parameters) == 1:
            return (self.parameters[0].domain.at(u),)
        rows = self.rows()
        return rows[int(u * len(rows))]


@dataclass(frozen=True, slots=True)
class Space:
    """Parameters in the order of the file, groups that move together, and the clauses every point must satisfy."""

    parameters: tuple[Parameter, ...] = ()
    zips: tuple[tuple[str, ...], ...] = ()
    where: tuple[Expression, ...] = ()
    fixed: Params = field(default_factory=dict)
    axes: tuple[Axis, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Finds the axes, each after those its conditions read, else in the order of the file."""
        object.__setattr__(self, "axes", ordered_axes(self.parameters, self.zips))

    def size(self) -> int | None:
        """Points of the grid before `where`; None where a parameter has no finite list."""
        counts = {axis.name: axis.count() for axis in self.axes}
        if any(count is None for count in counts.values()):
            return None
        read = {name for parameter in self.parameters if parameter.when for name in parameter.when.names}
        tied = [axis for axis in self.axes if any(p.when or p.name in read for p in axis.parameters)]
        free = math.prod(counts[axis.name] or 0 for axis in self.axes if axis not in tied)
        if math.prod(counts[axis.name] or 0 for axis in tied) > MAX_POINTS:
            return free * math.prod(counts[axis.name] or 0 for axis in tied)
        return free * (sum(1 for _ in self._walk(tied)) if tied else 1)

    def grid(self, removed: Removed | None = None) -> Iterator[Point]:
        """Every combination, the first parameter changing slowest. Raises SpecError for a parameter without a list."""
        yield from self._kept(self._walk(self.axes), removed)

    def listed(self, configs: Sequence[Params], removed: Removed | None = None) -> Iterator[Point]:
        """Explicit configurations, each once."""
        yield from self._kept(distinct(dict(config) for config in configs), removed)

    def sample(self, index: int, seed: int) -> Point:
        """The index-th random point, before `where`. Each parameter draws alone, from (seed, its name, index)."""
        return self.point({axis.name: uniform(seed, axis.name, index) for axis in self.axes})

    def random(self, count: int, seed: int, removed: Removed | None = None) -> Iterator[Point]:
        """The first `count` distinct random points that satisfy `where`."""
        yield from self._draw((self.sample(index, seed) for index in itertools.count()), count, removed)

    def qmc(self, count: int, seed: int, removed: Removed | None = None) -> Iterator[Point]:
        """The first `count` distinct points of a Sobol sequence, shifted at random by (seed, parameter name)."""
        yield from self._draw(self._sobol(seed), count, removed)

    def point(self, uniforms: Mapping[str, float]) -> Point:
        """The active parameters at a point of the unit cube, given by axis name."""
        values: Point = {}
        for axis in self.axes:
            for parameter, value in zip(axis.parameters, axis.at(uniforms[axis.name]), strict=True):
                values[parameter.name] = value
        return self.active(values)

    def active(self, values: Params) -> Point:
        """What remains of a full assignment when each `when` is asked in turn."""
        env: Point = dict(self.fixed)
        kept: Point = {}
        for axis in self.axes:
            for parameter in axis.parameters:
                if parameter.name in values and is_active(parameter, env):
                    kept[parameter.name] = env[parameter.name] = values[parameter.name]
        return self._in_order(kept)

    def allows(self, point: Params, removed: Removed | None = None) -> bool:
        """Whether every `where` clause holds; the first that does not is counted in `removed`."""
        if not self.where:
            return True
        env = {**self.fixed, **point}
        for index, clause in enumerate(self.where):
            if not _holds(clause, env, f"where[{index}]", point):
                if removed is not None:
                    removed[clause.text] = removed.get(clause.text, 0) + 1
                return False
        return True

    def _kept(self, points: Iterator[Point], removed: Removed | None) -> Iterator[Point]:
        if removed is not None:
            removed.update({clause.text: removed.get(clause.text, 0) for clause in self.where})
        return (point for point in points if self.allows(point, removed))

    def _draw(self, draws: Iterator[Point], count: int, removed: Removed | None) -> Iterator[Point]:
        """The first `count` new and allowed points; fewer when the space, or patience, is exhausted."""
        whole = all(isinstance(parameter.domain, Choice) for parameter in self.parameters)
        size = self.size() if whole else None
        seen: set[str] = set()
        kept = idle = 0
        for point in draws:
            mark = _mark(point)
            if mark not in seen and self.allows(point, removed):
                kept, idle = kept + 1, 0
                yield point
            else:
                idle += 1
            seen.add(mark)
            if kept == count or len(seen) == size or idle == _PATIENCE:
                return

    def _sobol(self, seed: int) -> Iterator[Point]:
        from sweeper.spec.space.sampling import shifted_points

        names = [axis.name for axis in self.axes]
        for row in shifted_points(names, seed):
            yield self.point(dict(zip(names, row, strict=True)))

    def _walk(self, axes: Sequence[Axis]) -> Iterator[Point]:
        """An odometer: opens the next axis while there is one, steps the last, closes it when it is through."""
        rows = [axis.rows() for axis in axes]
        env: Point = dict(self.fixed)
        chosen: Point = {}
        wheels: list[Iterator[tuple[tuple[Parameter, Value], ...]]] = []
        stepping = False
        while True:
            if not stepping and len(wheels) < len(axes):
                wheels.append(_wheel(axes[len(wheels)], rows[len(wheels)], env))
            elif not stepping:
                yield self._in_order(chosen)
            if not wheels:
                return
            settings = next(wheels[-1], None)
            stepping = settings is None
            for parameter, value in settings or ():
                chosen[parameter.name] = env[parameter.name] = value
            if settings is None:
                wheels.pop()
                self._forget(axes[len(wheels)], chosen, env)

    def _forget(self, axis: Axis, chosen: Point, env: Point) -> None:
        for parameter in axis.parameters:
            if parameter.name in chosen:
                del chosen[parameter.name], env[parameter.name]
                if parameter.name in self.fixed:
                    env[parameter.name] = self.fixed[parameter.name]

    def _in_order(self, point: Point) -> Point:
        return {parameter.name: point[parameter.name] for parameter in self.parameters if parameter.name in point}


def is_active(parameter: Parameter, env: Params) -> bool:
    """Whether the parameter's `when` holds. One that reads an unknown value (of an inactive parameter) does not."""
    if parameter.when is None:
        return True
    return _holds(parameter.when, env, f"parameters.{parameter.name}.when", env, unknown=False)


def ordered_axes(parameters: Sequence[Parameter], zips: Sequence[Sequence[str]]) -> tuple[Axis, ...]:
    """Groups parameters into axes and sorts these by their conditions. Raises SpecError for conditions in a circle."""
    group = {name: tuple(names) for names in zips for name in names}
    by_name = {parameter.name: parameter for parameter in parameters}
    waiting: dict[tuple[str, ...], set[str]] = {}
    for parameter in parameters:
        names = group.get(parameter.name, (parameter.name,))
        reads = waiting.setdefault(names, set())
        reads.update(name for name in (parameter.when.names if parameter.when else ()) if name in by_name)
    axes: list[Axis] = []
    done: set[str] = set()
    while waiting:
        ready = next((names for names, reads in waiting.items() if reads <= done), None)
        if ready is None:
            circle = ", ".join(name for names in waiting for name in names)
            raise SpecError(Problem("circular `when` conditions", key="parameters", found=circle))
        del waiting[ready]
        done.update(ready)
        axes.append(Axis(tuple(by_name[name] for name in ready)))
    return tuple(axes)


def distinct(points: Iterator[Point]) -> Iterator[Point]:
    """The points, each once."""
    seen: set[str] = set()
    for point in points:
        mark = _mark(point)
        if mark not in seen:
            seen.add(mark)
            yield point


def no_list(parameter: Parameter) -> Problem:
    """The refusal of a parameter that a grid or a zip cannot enumerate."""
    return Problem(
        "this parameter has no finite list of values",
        key=f"parameters.{parameter.name}",
        allowed="values, a range with points or step, or whole numbers",
        hint="add points: 5 (evenly spaced, bounds included), or use method: random",
    )


def _holds(clause: Expression, env: Params, key: str, point: Params, unknown: bool = True) -> bool:
    try:
        return clause.holds(env)
    except UnknownName:
        return unknown
    except ExpressionError as error:
        found = " ".join(f"{name}={show(point[name])}" for name in clause.names if name in point)
        raise SpecError(Problem(str(error), key=key, found=found)) from None


def _mark(point: Point) -> str:
    """Equal for equal points: the order of keys does not matter, 1 and true differ."""
    return repr(sorted(point.items()))


def _wheel(axis: Axis, rows: list[tuple[Value, ...]], env: Params) -> Iterator[tuple[tuple[Parameter, Value], ...]]:
    """The settings of one axis, row by row: of its active parameters only, and none twice."""
    active = [is_active(parameter, env) for parameter in axis.parameters]
    for row in rows if all(active) else _distinct_rows(rows, active):
        yield tuple((p, value) for p, value, on in zip(axis.parameters, row, active, strict=True) if on)


def _distinct_rows(rows: list[tuple[Value, ...]], active: list[bool]) -> list[tuple[Value, ...]]:
    """Rows that differ in an active column; one row where none is active."""
    kept = {repr([value for value, on in zip(row, active, strict=True) if on]): row for row in reversed(rows)}
    return list(reversed(kept.values()))
