"""Which trials are to stop early: a rule is asked at each report, and knows what all trials of the sweep reported.

The rules that compare trials are in pruning_rules.py. The others look at one trial alone and are written out here:
Optuna's PatientPruner waits until a metric gets worse, so that one which stands still would go on for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from sweeper.search.pruning_rules import Bands, Curve, Halving, Median, PruningRule, counts_reports
from sweeper.spec.sweep import Goal, Sweep
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial


class Pruner:
    """The early termination of a sweep. An attempt that repeats steps of an earlier one is not judged on them again."""

    def __init__(self, sweep: Sweep) -> None:
        early = sweep.early
        self._early, self._goal, self._by_reports = early, watched(sweep), counts_reports(early)
        first, last = (early.min_reports, early.max_reports) if self._by_reports else (early.min_steps, early.max_steps)
        self._first, self._last = first or 0, last or math.inf
        self._curves: dict[str, Curve] = {}
        self._rule: PruningRule | None = None
        if early.type == "median":
            self._rule = Median(self._goal, early.startup_trials)
        elif early.type == "hyperband" and self._by_reports:
            self._rule = Bands(early, self._goal)
        elif early.type in ("asha", "hyperband"):
            self._rule = Halving(sweep.name, early, self._goal)

    @classmethod
    def of(cls, sweep: Sweep, records: Iterable[Record]) -> Pruner | None:
        """The pruner of a sweep that knows what these trials reported and how they ended; None where nothing stops."""
        if sweep.early.type == "none":
            return None
        pruner = cls(sweep)
        for record in records:
            pruner.started(record.trial)
            for report in record.reports:
                pruner.reported(report)
            if record.ended is not None:
                pruner.ended(record.ended)
        return pruner

    def on_event(self, trial: Trial, event: Event) -> str:
        """Something happened to a trial; why it is to stop now, or ""."""
        if isinstance(event, Reported):
            return self.reported(event)
        if isinstance(event, Started):
            self.started(trial)
        else:
            self.ended(event)
        return ""

    def started(self, trial: Trial) -> None:
        """A trial was taken up, for the first time or again."""
        self._curves.setdefault(trial.key, Curve(full_steps(trial) or math.inf))

    def reported(self, event: Reported) -> str:
        """Why the trial is to stop now, as text; "" where it goes on, as every trial does at its end."""
        curve = self._curves.setdefault(event.trial, Curve())
        if event.step <= curve.step:
            return ""
        value = event.metrics.get(self._goal.name)
        if value is None or not math.isfinite(value):
            return ""  # W&B counts the reports that have the metric, too; it may yet come, for the same step
        curve.step = event.step
        curve.reports += 1
        self._note(curve, value)
        reason = self._rule.reported(event.trial, curve) if self._rule is not None else self._alone(curve)
        return reason if self._first <= curve.clock < self._last and event.step < curve.full else ""

    def ended(self, event: Ended) -> None:
        """An attempt is over. What may be tried again keeps its curve."""
        if event.retry or not event.state.is_result:
            return
        curve = self._curves.pop(event.trial, None)
        if self._rule is not None and curve is not None and curve.values:
            self._rule.ended(event.trial, curve, event.state)

    def _note(self, curve: Curve, value: float) -> None:
        curve.clock = curve.reports if self._by_reports else curve.step
        curve.values[curve.clock] = value
        gain = (value - curve.best) * (1 if self._goal.maximize else -1)
        if math.isnan(curve.best) or gain > (self._early.min_delta if self._early.type == "patience" else 0):
            curve.best, curve.best_step, curve.waited = value, curve.step, 0
        else:
            curve.waited += 1

    def _alone(self, curve: Curve) -> str:
        early, found = self._early, f"{self._goal.name} is {curve.value:.6g} at step {curve.step}"
        if early.type == "patience":
            late = curve.waited >= (early.patience or math.inf)
            best = f"no better than the {curve.best:.6g} of step {curve.best_step}"
            return f"patience: {found}, for {curve.waited} reports {best}" if late else ""
        if early.below is not None and curve.value < early.below:
            return f"threshold: {found}, below {early.below:g}"
        if early.above is not None and curve.value > early.above:
            return f"threshold: {found}, above {early.above:g}"
        return ""


def watched(sweep: Sweep) -> Goal:
    """The metric that the rule watches, and which way is better; one that is no goal is minimized."""
    name = sweep.early.metric or sweep.goals[0].name
    return next((goal for goal in sweep.goals if goal.name == name), Goal(name, False, "worst"))


def full_steps(trial: Trial) -> int | None:
    """How many steps the whole trial makes, where a setting gives them."""
    steps = trial.params.get("train.steps")
    return int(steps) if isinstance(steps, int | float) and not isinstance(steps, bool) else None


def saved_seconds(records: Iterable[Record]) -> float:
    """Device seconds that pruning saved: the steps not made, at the trial's own seconds a step; 0 where unknown."""
    pruned = [(r.ended, full_steps(r.trial)) for r in records if r.ended and r.state is State.PRUNED]
    return sum(e.wall_s / e.steps * max(full - e.steps, 0) for e, full in pruned if full and e.steps)
