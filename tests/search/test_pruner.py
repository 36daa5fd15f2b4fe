"""What holds for every rule of early termination: curves with holes, attempts, restarts, ends, and what was saved."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.search.pruner import Pruner, saved_seconds
from sweeper.trial import Record, Reported, State
from tests.records import make_end, make_trial
from tests.search.prunings import Run, early, pruner, trials_of

RULES = [
    "type: asha, min_steps: 2",
    "type: hyperband, min_steps: 1, max_steps: 50",
    "type: hyperband, min_iter: 2",
    "type: median, startup_trials: 1",
    "type: patience, patience: 2",
    "type: threshold, above: 5",
]


def test_without_a_rule_there_is_no_pruner(tmp_path: Path) -> None:
    assert Pruner.of(early(tmp_path, "type: none"), []) is None


def test_patience_stops_what_stands_still(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: patience, patience: 3, min_delta: 0.1"), steps=20)
    trial = make_trial()
    assert run.alone(trial, [5, 4, 3.95, 4.2, 3.92, 3]) == 5
    assert run.reasons[trial.key] == "patience: loss is 3.92 at step 5, for 3 reports no better than the 4 of step 2"
    assert run.alone(make_trial(x=2), [5, 5, 5, 4, 4, 4, 3]) == 7


@pytest.mark.parametrize(("rule", "words"), [("above: 5", "above 5"), ("below: -1", "below -1")])
def test_a_threshold_stops_what_crosses_it(tmp_path: Path, rule: str, words: str) -> None:
    run = Run(pruner(tmp_path, f"type: threshold, {rule}"), steps=9)
    assert run.alone(make_trial(), [0, 5, -1, 7, 1] if "above" in rule else [0, 5, -1, -2, 1]) == 4
    assert next(iter(run.reasons.values())).endswith(words)


@pytest.mark.parametrize("rule", [rule for rule in RULES if "min_" not in rule])
def test_no_trial_is_stopped_before_the_least_steps(tmp_path: Path, rule: str) -> None:
    run = Run(pruner(tmp_path, f"{rule}, min_steps: 6"), steps=9)
    good, bad = trials_of(2)
    run.alone(good, [1] * 3)
    assert run.alone(bad, [9] * 9) in (6, 9)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_stopped_at_its_last_step(tmp_path: Path, rule: str) -> None:
    run = Run(pruner(tmp_path, rule), steps=9)
    good, bad = (make_trial(x=x, **{"train.steps": 2}) for x in (1, 2))
    run.alone(good, [1, 1])
    assert run.report(bad, 2, loss=9.0) == ""


@pytest.mark.parametrize("rule", RULES)
def test_missing_and_infinite_values_are_no_verdict_and_break_nothing(tmp_path: Path, rule: str) -> None:
    run = Run(pruner(tmp_path, rule), steps=50)
    *good, holes, empty = trials_of(20)
    for trial in good:
        run.alone(trial, [1] * 50)
    for step, metrics in enumerate([{}, {"loss": math.nan}, {"loss": math.inf}, {"other": 1.0}], 1):
        assert run.report(holes, step, **metrics) == ""
        assert run.report(empty, step) == ""
    run.end(empty)
    assert any(run.report(holes, step, loss=9.0) for step in range(5, 50)), "it is judged when it has values"
    run.end(holes, State.DIVERGED)
    assert run.alone(make_trial(x=99), [1] * 50) > 1


@pytest.mark.parametrize("rule", RULES)
def test_steps_that_an_earlier_attempt_reported_are_not_judged_again(tmp_path: Path, rule: str) -> None:
    run = Run(pruner(tmp_path, rule), steps=50)
    *good, bad = trials_of(20)
    for trial in good:
        run.alone(trial, [1] * 50)
    known = next(step for step in range(1, 50) if run.report(bad, step, loss=9.0))
    run.pruner.ended(replace(make_end(bad, State.FAILED), retry=True))
    run.pruner.started(bad)
    assert {run.report(bad, step, loss=9.0) for step in range(1, known + 1)} == {""}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("after", [1, 17, 40])
def test_a_pruner_rebuilt_from_the_reports_decides_as_one_that_saw_them(tmp_path: Path, rule: str, after: int) -> None:
    draw = random.Random(0)
    curves = [[draw.random() * 7 for _ in range(20)] for _ in range(60)]
    trials = trials_of(60)
    seen, again = (Run(pruner(tmp_path, rule), steps=20) for _ in range(2))
    ends = [seen.alone(trial, curve) for trial, curve in zip(trials, curves, strict=True)]
    for trial, curve in zip(trials[:after], curves[:after], strict=True):
        again.alone(trial, curve)
    rebuilt = Pruner.of(early(tmp_path, rule), again.records.values())
    assert rebuilt is not None
    again.pruner = rebuilt
    assert [again.alone(t, c) for t, c in zip(trials[after:], curves[after:], strict=True)] == ends[after:]


def test_a_trial_that_was_running_goes_on_where_it_stood(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: patience, patience: 3"), steps=9)
    trial = make_trial()
    for step in (1, 2, 3):
        run.report(trial, step, loss=1.0)
    again = Pruner.of(early(tmp_path, "type: patience, patience: 3"), run.records.values())
    assert again is not None
    again.started(trial)
    assert again.reported(Reported(trial.key, 2, 0.0, 4, {"loss": 1.0})).startswith("patience")


def test_saved_seconds_are_the_steps_not_made_at_the_trials_own_pace() -> None:
    long, unknown, whole = make_trial(**{"train.steps": 50}), make_trial(x=1), make_trial(x=2, **{"train.steps": 10})
    states = (State.PRUNED, State.PRUNED, State.COMPLETED)
    records = [Record(t, ended=make_end(t, s)) for t, s in zip((long, unknown, whole), states, strict=True)]
    assert saved_seconds(records) == 40 * 2.0 / 10
    assert saved_seconds([]) == 0
