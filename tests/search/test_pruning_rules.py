"""The rules that compare trials decide as Optuna's pruners do when they are used directly."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import optuna
import pytest

from tests.records import make_trial
from tests.search.prunings import Run, pruner, trials_of

Make = Callable[[], optuna.pruners.BasePruner]
Direction = Literal["minimize", "maximize"]


def verdicts_of_optuna(make: Make, curves: list[list[float]], direction: Direction) -> list[int]:
    """The step at which each trial stops, one trial after the other."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction=direction, pruner=make(), study_name="s")
    ends = []
    for curve in curves:
        trial = study.ask()
        for step, value in enumerate(curve, 1):
            trial.report(value, step)
            if step < len(curve) and trial.should_prune():
                break
        ends.append(step)
        done = step == len(curve)
        state = optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.PRUNED
        study.tell(trial, curve[-1] if done else None, state)
    return ends


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("type: asha, min_steps: 2", lambda: optuna.pruners.SuccessiveHalvingPruner(2, 3)),
        ("type: asha, min_steps: 1, eta: 2", lambda: optuna.pruners.SuccessiveHalvingPruner(1, 2)),
        ("type: asha", lambda: optuna.pruners.SuccessiveHalvingPruner("auto", 3)),
        ("type: hyperband, min_steps: 1, max_steps: 20", lambda: optuna.pruners.HyperbandPruner(1, 20, 3)),
        ("type: hyperband", lambda: optuna.pruners.HyperbandPruner(1, "auto", 3)),
        ("type: hyperband, min_iter: 3", lambda: optuna.pruners.SuccessiveHalvingPruner(3, 3)),
        ("type: hyperband, max_iter: 27, s: 2", lambda: optuna.pruners.SuccessiveHalvingPruner(3, 3)),
        ("type: median", lambda: optuna.pruners.MedianPruner(5)),
        ("type: median, min_steps: 4, startup_trials: 2", lambda: optuna.pruners.MedianPruner(2, 4)),
    ],
)
def test_verdicts_are_those_of_optuna_used_directly(tmp_path: Path, rule: str, make: Make, goal: Direction) -> None:
    draw = random.Random(1)
    curves = [[quality + draw.random() for _ in range(20)] for quality in [draw.random() for _ in range(60)]]
    run = Run(pruner(tmp_path, rule, goal=goal), steps=20)
    ends = [run.alone(trial, curve) for trial, curve in zip(trials_of(60), curves, strict=True)]
    assert ends == verdicts_of_optuna(make, curves, goal)
    assert min(ends) < 20 == max(ends)


def test_a_median_needs_completed_trials(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: median, startup_trials: 2"), steps=3)
    good, fair, bad, other = trials_of(4)
    assert run.alone(good, [1, 1, 1]) == 3
    assert run.alone(bad, [9, 9, 9]) == 3  # one trial is not two
    assert run.alone(fair, [6, 6, 6]) == 1  # 5 is the median
    assert run.alone(other, [5, 7, 7]) == 3  # its best is what counts
    assert run.reasons[fair.key] == ("median: the best loss by step 1 is 6, the median of 2 completed trials there 5")


def test_the_reason_names_the_place_among_the_trials_at_that_step(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: asha, min_steps: 2", goal="maximize"), steps=9)
    best, worse = trials_of(2)
    run.alone(best, [0.5] * 9)
    assert run.alone(worse, [0.6, 0.25]) == 2
    assert run.reasons[worse.key] == "asha: loss is 0.25 at step 2, place 2 of 2 trials there; one in 3 goes on"


def test_trials_that_report_at_different_steps_meet_at_the_rungs(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: asha, min_steps: 10"), steps=100)
    first, second = trials_of(2)
    for step in (4, 11, 33, 97):
        assert run.report(first, step, loss=1.0) == ""
    assert run.report(second, 9, loss=2.0) == ""
    assert "place 1 of 1" in run.report(second, 25, loss=2.0)


def test_a_trial_whose_steps_no_other_has_is_not_judged_by_a_median(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: median, startup_trials: 1"), steps=3)
    run.alone(make_trial(x=1), [1, 1, 1])
    odd = make_trial(x=2)
    assert [run.report(odd, step, loss=9.0) for step in (4, 5)] == ["", ""]
