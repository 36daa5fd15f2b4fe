"""Checks of early_terminate: rules that cannot be applied (problems), keys that a rule does not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sweeper.errors import Problem
from sweeper.spec.sweep import Sweep

_COUNTS = {"type", "metric", "min_steps", "max_steps", "min_iter", "max_iter"}
_READ = {
    "asha": {*_COUNTS, "eta", "s", "strict"},
    "hyperband": {*_COUNTS, "eta", "s", "strict"},
    "median": {*_COUNTS, "startup_trials"},
    "patience": {*_COUNTS, "patience", "min_delta"},
    "threshold": {*_COUNTS, "below", "above"},
}


def problems(sweep: Sweep) -> Iterator[Problem]:
    """Why the rule of the sweep cannot be applied."""
    early, names = sweep.early, [goal.name for goal in sweep.goals]
    if early.type == "none":
        return
    known = ", ".join(names)
    if not names and not early.metric:
        yield _problem(
            sweep, "early_terminate", "early termination needs a metric", "", "metric: {name: ..., goal: ...}"
        )
    elif len(names) > 1 and early.metric is None:
        yield _problem(
            sweep, "early_terminate", "early termination watches one metric", known, f"metric: one of {known}"
        )
    elif early.metric and early.metric not in names and early.type != "threshold":
        message = f"{early.type} must know which way this metric is better"
        allowed = known or "metric: {name: ..., goal: ...}"
        yield _problem(sweep, "early_terminate.metric", message, early.metric, allowed, "or type: threshold")
    if early.type in ("asha", "hyperband") and (early.eta < 2 or early.eta % 1):
        yield _problem(sweep, "early_terminate.eta", "not a whole number", f"{early.eta:g}", "2, 3, 4 ...")
    if (early.min_steps or early.max_steps) and (early.min_reports or early.max_reports):
        found, allowed = "min_steps or max_steps with min_iter or max_iter", "min_steps, max_steps"
        yield _problem(sweep, "early_terminate", "counts steps and reports at once", found, allowed)


def idle(sweep: Sweep, given: Iterable[str]) -> Iterator[Problem]:
    """The keys given that the rule never reads."""
    rule = sweep.early.type
    for key in sorted(set(given) - _READ.get(rule, {"type"})):
        yield _problem(sweep, f"early_terminate.{key}", f"no effect with type: {rule}")


def _problem(sweep: Sweep, key: str, message: str, found: str = "", allowed: str = "", hint: str = "") -> Problem:
    return Problem(message, sweep.place(key), key, found, allowed, hint)
