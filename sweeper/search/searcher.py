"""Ask and tell: proposes configurations and learns from their results, with an Optuna study in memory.

The study is rebuilt at every start from what the ledger holds, so that ranges may widen, choices be added and
parameters appear; the only state is the ledger's. What is proposed is written into the study as a running trial with
the very values that will be trained, and replaced by a finished one when the seeds have ended: a study that was
rebuilt differs from one that was not by the trials that failed, which no sampler reads.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from sweeper.errors import Problem, SpecError, SweeperError
from sweeper.search.encoding import Coordinate, Scale, coordinate_of
from sweeper.search.objectives import Objectives, violations
from sweeper.search.samplers import GP_SEES, REDRAWS, choose_parents, new_study, sampler, state_of, thinned
from sweeper.spec.space.space import Point, Space, is_active
from sweeper.spec.sweep import ADAPTIVE, Sweep
from sweeper.trial import Ended, Params, State, Value, canonical, canonical_json

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class Search:
    """Proposes configurations and learns from their results: an Optuna study in memory, rebuilt at every start."""

    def __init__(self, sweep: Sweep, fixed: Params) -> None:
        """`fixed` are the trainer's settings, which conditions may read. Raises SpecError as `check` does."""
        check(sweep)
        self._sweep = sweep
        self._space = replace(sweep.space, fixed=dict(fixed))
        self._coordinates = [coordinate_of(axis) for axis in self._space.axes]
        self._scores = Objectives(sweep.goals)
        self._known: set[str] = set()
        self._running: dict[str, int] = {}  # a point in text -> the number of its trial
        self._spare: Iterator[Point] = self._space.random(sys.maxsize, sweep.sampler_seed)
        self._study = new_study(sweep)
        self._started = self._exhausted = False
        self._results = 0

    def ask(self) -> dict[str, Value] | None:
        """A new point that satisfies `where`, never one asked, noted or known; None when none is left."""
        if self._exhausted:
            return None
        if not self._started:
            self._study.sampler = sampler(self._sweep, self._study.get_trials(deepcopy=False))
            choose_parents(self._study)
            self._started = True
        study = self._study if self._sweep.method != "gp" else thinned(self._study)
        drawn: list[Trial] = []
        point, attributes = self._draw(study, drawn)
        for trial in drawn:
            study.tell(trial, state=state_of("FAIL"))
        if point is None:
            point = next((point for point in self._spare if self._is_new(point)), None)
        self._exhausted = point is None
        if point is not None:
            self._run(point, attributes)
        return point

    @property
    def results(self) -> int:
        """Of how many configurations in today's space it knows the result."""
        return self._results

    @property
    def is_slow(self) -> bool:
        """Whether asking takes a good part of a second: gp with many results."""
        return self._sweep.method == "gp" and self._results > GP_SEES

    def note(self, point: Params) -> None:
        """Counts a point as running and never proposes it. Outside of today's space it is only remembered."""
        self._run(point, {})

    def tell(self, point: Params, ends: Sequence[Ended]) -> None:
        """Learns how all seeds of a point ended, whether it was asked, noted or neither."""
        values = self._scores.of(ends)
        self._run(point, {})
        number = self._running.pop(canonical_json(self._plain(point)), None)
        if number is None:
            return
        old = self._study.get_trials(deepcopy=False)[number]
        self._study.tell(number, state=state_of("FAIL"))
        if values is not None:
            self._results += 1
            broken = violations(self._sweep.constraints, ends)
            self._study.add_trial(_finished(old, values, broken, ends, self._sweep.method))

    def _draw(self, study: Study, drawn: list[Trial]) -> tuple[Point | None, dict[str, Any]]:
        """A new point and what the sampler wrote down about it."""
        for _ in range(1 + REDRAWS[self._sweep.method]):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # advice to the programmer of a sampler
                drawn.append(study.ask())
                point = self._suggested(drawn[-1])
            if self._is_new(point):
                return point, dict(study.get_trials(deepcopy=False)[drawn[-1].number].system_attrs)
        return None, {}

    def _suggested(self, trial: Trial) -> Point:
        """The active parameters that the sampler suggests: axis by axis, each after those its conditions read."""
        env: Point = dict(self._space.fixed)
        values: Point = {}
        for coordinate in self._coordinates:
            active = [is_active(parameter, env) for parameter in coordinate.axis.parameters]
            if not any(active) and not self._wants_all:
                continue
            row = coordinate.values(_suggest(trial, coordinate))
            for parameter, value, on in zip(coordinate.axis.parameters, row, active, strict=True):
                if on:
                    values[parameter.name] = env[parameter.name] = value
        return self._space.active(values)

    @property
    def _wants_all(self) -> bool:
        """Whether the sampler needs every coordinate of every trial: only TPE can model a changing set of them."""
        return self._sweep.method != "tpe"

    def _is_new(self, point: Point) -> bool:
        return canonical_json(point) not in self._known and self._space.allows(point)

    def _run(self, point: Params, attributes: dict[str, Any]) -> None:
        """Adds a running trial for a point that was never seen, if it lies in today's space."""
        from optuna.samplers import NSGAIISampler
        from optuna.trial import create_trial

        plain = self._plain(point)
        mark = canonical_json(plain)
        if mark in self._known:
            return
        self._known.add(mark)
        numbers = self._numbers(plain) if self._is_inside(point, plain) else None
        if numbers is None:
            return
        trial = create_trial(
            state=state_of("RUNNING"),
            params=numbers,
            distributions={c.name: _distribution(c) for c in self._coordinates if c.name in numbers},
            system_attrs=attributes,
        )
        self._study.add_trial(trial)
        added = self._study.get_trials(deepcopy=False)[-1]
        self._running[mark] = added.number
        if isinstance(self._study.sampler, NSGAIISampler):
            self._study.sampler.get_trial_generation(self._study, added)  # writes it down where it is missing

    def _plain(self, point: Params) -> Point:
        """The point in today's spelling: a parameter that is new since then had the trainer's own value."""
        whole = {**self._space.fixed, **{name: canonical(value) for name, value in point.items()}}
        names = {parameter.name for parameter in self._space.parameters}
        try:
            return self._space.active({name: value for name, value in whole.items() if name in names})
        except SweeperError:
            return dict(point)  # today's conditions have no value for it

    def _is_inside(self, point: Params, plain: Point) -> bool:
        """Whether the trainer would get today what it got then, at a point that today's clauses allow."""
        fixed = self._space.fixed
        then, now = ({name: canonical(v) for name, v in {**fixed, **p}.items()} for p in (point, plain))
        try:
            return canonical_json(then) == canonical_json(now) and self._space.allows(plain)
        except SweeperError:
            return False

    def _numbers(self, point: Point) -> dict[str, Any] | None:
        """The point as the sampler sees it; None where it lacks an active parameter or holds a foreign value."""
        numbers: dict[str, Any] = {}
        env = {**self._space.fixed, **point}
        for coordinate in self._coordinates:
            names = [parameter.name for parameter in coordinate.axis.parameters if is_active(parameter, env)]
            if any(name not in point for name in names):
                return None
            number = coordinate.number(point) if names else coordinate.middle
            if number is None:
                return None
            if (names or self._wants_all) and coordinate.low < coordinate.high:
                numbers[coordinate.name] = number
        return numbers


def check(sweep: Sweep) -> None:
    """Refuses a sweep whose method cannot serve its space or its goals. Raises SpecError with the alternatives."""
    problems = [
        Problem(message, sweep.place(key), key, found, allowed, hint)
        for key, message, found, allowed, hint in _objections(sweep)
    ]
    if problems:
        raise SpecError(*problems)


def _objections(sweep: Sweep) -> Iterator[tuple[str, str, str, str, str]]:
    """Key, message, what was found, what is allowed, and a hint."""
    method, space = sweep.method, sweep.space
    if method not in ADAPTIVE:
        yield "method", "this method does not search", method, ", ".join(ADAPTIVE), ""
        return
    if not sweep.goals:
        yield "method", f"method: {method} needs a metric", "", "metric: {name: ..., goal: ...}", ""
    if not space.parameters:
        yield "parameters", f"method: {method} needs parameters to search", "", "", ""
    if method == "cmaes":
        yield from _objections_to_cmaes(sweep, space)


def _objections_to_cmaes(sweep: Sweep, space: Space) -> Iterator[tuple[str, str, str, str, str]]:
    others = "method: tpe, gp or nsga2"
    for axis in space.axes:
        if coordinate_of(axis).scale is Scale.ROW:
            hint = f"{others}; or min and max instead of values"
            yield f"parameters.{axis.name}", "method: cmaes searches ranges only, not lists", "", "min and max", hint
    if len(sweep.goals) > 1:
        found = ", ".join(goal.name for goal in sweep.goals)
        yield "metric", "method: cmaes has one goal", found, "one metric", others
    if sweep.constraints:
        found = ", ".join(constraint.text for constraint in sweep.constraints)
        yield "constraints", "method: cmaes does not support constraints", found, "", others
    if find_spec("cmaes") is None:
        yield "method", "method: cmaes needs the package cmaes", "", "", f"pip install cmaes, or {others}"


def _distribution(coordinate: Coordinate) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if coordinate.scale is Scale.ROW:
        return CategoricalDistribution(range(len(coordinate.rows)))
    if coordinate.integer:
        return IntDistribution(int(coordinate.low), int(coordinate.high), log=coordinate.log)
    return FloatDistribution(coordinate.low, coordinate.high, log=coordinate.log)


def _suggest(trial: Trial, coordinate: Coordinate) -> float:
    if coordinate.low == coordinate.high:
        return coordinate.low
    if coordinate.scale is Scale.ROW:
        return int(trial.suggest_categorical(coordinate.name, range(len(coordinate.rows))))
    if coordinate.integer:
        return trial.suggest_int(coordinate.name, int(coordinate.low), int(coordinate.high), log=coordinate.log)
    return trial.suggest_float(coordinate.name, coordinate.low, coordinate.high, log=coordinate.log)


def _finished(
    running: FrozenTrial, values: list[float], broken: Mapping[str, float], ends: Sequence[Ended], method: str
) -> FrozenTrial:
    """The trial with its result. PRUNED when no seed came to its end, except for GP, which would not read it."""
    from optuna.trial import create_trial

    states = {end.state for end in ends}
    pruned = method != "gp" and State.PRUNED in states and State.COMPLETED not in states
    short = pruned and len(values) == 1
    return create_trial(
        state=state_of("PRUNED" if pruned else "COMPLETE"),
        values=None if pruned else values,
        intermediate_values={max(end.steps for end in ends): values[0]} if short else {},
        params=running.params,
        distributions=running.distributions,
        system_attrs=running.system_attrs,
        constraints=dict(broken),
    )
