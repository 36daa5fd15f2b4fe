"""The rules of early termination that compare trials with each other: successive halving, hyperband and the median.

Successive halving is Optuna's, asked through a study in memory with one trial for each of ours. The median is written
out: Optuna's looks at all trials at every report, 0.23 ms with 1000 of them (its verdicts are the same, and tested so).
Hyperband that counts reports is W&B's, which is neither of Optuna's: one bracket, any eta above 1, `strict` or not.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Protocol

from sweeper.spec.sweep import EarlyTermination, Goal
from sweeper.trial import State

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import Trial as Asked


MOST_BANDS = 100


@dataclass(slots=True)
class Curve:
    """What one trial reported of the metric watched. `clock` counts steps or reports, as the rule does."""

    full: float = math.inf  # steps of the whole trial, where that is known
    step: int = -1
    reports: int = 0
    clock: int = 0
    values: dict[int, float] = field(default_factory=dict)  # by clock
    best: float = math.nan
    best_step: int = 0
    waited: int = 0  # reports since the best

    @property
    def value(self) -> float:
        return self.values[self.clock]


class PruningRule(Protocol):
    """A rule that compares trials. It gets every report, and returns "" or why the trial must stop."""

    def reported(self, key: str, curve: Curve) -> str: ...

    def ended(self, key: str, curve: Curve, state: State) -> None: ...


@dataclass(slots=True)
class Median:
    """A trial stops whose best is worse than the median of the completed ones at the same step."""

    goal: Goal
    startup_trials: int
    completed: int = 0
    at: dict[int, list[float]] = field(default_factory=dict)  # by clock, ascending

    def reported(self, key: str, curve: Curve) -> str:
        others = self.at.get(curve.clock)
        if not others or self.completed < self.startup_trials:
            return ""
        middle = median(others)
        if curve.best >= middle if self.goal.maximize else curve.best <= middle:
            return ""
        found = f"the best {self.goal.name} by step {curve.step} is {curve.best:.6g}"
        return f"median: {found}, the median of {len(others)} completed trials there {middle:.6g}"

    def ended(self, key: str, curve: Curve, state: State) -> None:
        if state is State.COMPLETED:
            self.completed += 1
            for clock, value in curve.values.items():
                insort(self.at.setdefault(clock, []), value)


class Bands:
    """W&B's hyperband (wandb/sweeps, hyperband_stopping.py): at each band the best 1/eta of the trials that came so far
    go on. `strict` judges a trial by its value at the last band that it reached, otherwise by its best so far; either
    way it is judged again at every report, as others reach that band. Bands are numbers of reports with the metric.
    """

    def __init__(self, early: EarlyTermination, goal: Goal) -> None:
        self._goal, self._eta, self._strict = goal, early.eta, early.strict
        self._sign = -1 if goal.maximize else 1
        self._bands = bands(early)
        self._costs: dict[int, list[float]] = {band: [] for band in self._bands}  # of the trials there, ascending
        self._reached: dict[str, tuple[int, float]] = {}  # the last band of each trial, and its cost there

    def reported(self, key: str, curve: Curve) -> str:
        if curve.clock in self._costs:
            self._reached[key] = curve.clock, self._sign * curve.value
            insort(self._costs[curve.clock], self._sign * curve.value)
        if key not in self._reached:
            return ""
        band, cost = self._reached[key]
        costs = self._costs[band]
        judged = cost if self._strict else self._sign * curve.best
        if judged <= costs[int(1 / self._eta * len(costs))]:
            return ""
        what = self._goal.name if self._strict else f"the best {self._goal.name}"
        found = f"{what} is {self._sign * judged:.6g} at report {band}"
        place = 1 + bisect_left(costs, judged)
        return f"hyperband: {found}, place {place} of {len(costs)} trials there; one in {self._eta:g} goes on"

    def ended(self, key: str, curve: Curve, state: State) -> None:
        self._reached.pop(key, None)


class Halving:
    """Only one trial in eta goes on beyond a rung; the rungs are at first * eta^k. Hyperband has several brackets."""

    def __init__(self, name: str, early: EarlyTermination, goal: Goal) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._type, self._goal, self._eta = early.type, goal, int(early.eta)
        self._first = _first_rung(early)
        self._rungs: dict[str, float] = {}  # the next one of each trial
        self._trials: dict[str, Asked] = {}
        self._study: Study = optuna.create_study(
            direction="maximize" if goal.maximize else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),  # is asked for nothing: the cheapest one
            pruner=_pruner(early, self._first),
            study_name=name,  # hyperband draws a trial's bracket by it
        )

    def reported(self, key: str, curve: Curve) -> str:
        if key not in self._trials:
            self._trials[key] = self._study.ask()
        trial = self._trials[key]
        trial.report(curve.value, curve.clock)
        rung = self._rungs.get(key, self._first or 0)
        if curve.clock < rung:
            return ""
        while 0 < rung <= curve.clock:
            rung *= self._eta
        self._rungs[key] = rung
        return self._reason(curve) if trial.should_prune() else ""

    def ended(self, key: str, curve: Curve, state: State) -> None:
        from optuna.trial import TrialState

        trial = self._trials.pop(key, None)
        if trial is not None:
            done = TrialState.COMPLETE if state is State.COMPLETED else TrialState.FAIL
            self._study.tell(trial, curve.value if state is State.COMPLETED else None, done)

    def _reason(self, curve: Curve) -> str:
        trials = self._study.get_trials(deepcopy=False)
        values = sorted(t.intermediate_values[curve.clock] for t in trials if curve.clock in t.intermediate_values)
        if self._goal.maximize:
            values = [-value for value in reversed(values)]
        place = 1 + bisect_left(values, -curve.value if self._goal.maximize else curve.value)
        found = f"{self._goal.name} is {curve.value:.6g} at step {curve.step}"
        return f"{self._type}: {found}, place {place} of {len(values)} trials there; one in {self._eta} goes on"


def counts_reports(early: EarlyTermination) -> bool:
    """Whether the rule counts reports, as W&B does, instead of steps."""
    return early.min_reports is not None or early.max_reports is not None


def bands(early: EarlyTermination) -> list[int]:
    """W&B's bands, ascending: max_iter / eta^k for k up to s, while that is at least 1; else min_iter * eta^k."""
    found: list[int] = []
    band = float(early.max_reports or 0)
    if early.max_reports is not None and (early.brackets is not None or early.min_reports is None):
        while (band := band / early.eta) >= 1 and len(found) < (early.brackets or MOST_BANDS):
            found.append(int(band))
        return sorted(set(found))
    return sorted({int((early.min_reports or 1) * early.eta**k) for k in range(MOST_BANDS)})


def _first_rung(early: EarlyTermination) -> int | None:
    if early.max_reports is not None and early.min_reports is None:
        return bands(early)[0]
    return early.min_reports or early.min_steps or (1 if early.type == "hyperband" else None)


def _pruner(early: EarlyTermination, first: int | None) -> BasePruner:
    from optuna import pruners

    if early.type == "hyperband":
        return pruners.HyperbandPruner(first or 1, early.max_steps or "auto", int(early.eta))
    return pruners.SuccessiveHalvingPruner(first or "auto", int(early.eta))
