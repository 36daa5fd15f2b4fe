"""The rules that compare trials decide as Optuna's pruners do when they are used directly."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import optuna
import pytest

from sweeper.search.pruning_rules import bands
from sweeper.trial import State
from tests.records import make_trial
from tests.search.prunings import Run, early, pruner, trials_of

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
        ("type: asha, min_iter: 3", lambda: optuna.pruners.SuccessiveHalvingPruner(3, 3)),
        ("type: asha, max_iter: 27, s: 2", lambda: optuna.pruners.SuccessiveHalvingPruner(3, 3)),
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


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("max_iter: 27, s: 2, eta: 3", [3, 9]),
        ("max_iter: 27, s: 9, eta: 3", [1, 3, 9]),
        ("max_iter: 5, s: 2, eta: 2", [1, 2]),
        ("max_iter: 10, s: 3, eta: 1.5", [2, 4, 6]),
        ("min_iter: 3, eta: 1.5", [3, 4, 6, 10, 15]),
        ("min_iter: 2, max_iter: 12, eta: 2, s: 1", [6]),
    ],
)
def test_the_bands_of_hyperband_are_those_of_wandb(tmp_path: Path, rule: str, expected: list[int]) -> None:
    assert bands(early(tmp_path, f"type: hyperband, {rule}").early)[: len(expected)] == expected


def best_third(values: Sequence[float], eta: float) -> float:
    """W&B's threshold among the values at a band."""
    return sorted(values)[int(1 / eta * len(values))]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("keys", "eta"), [("min_iter: 2", 3.0), ("min_iter: 1, eta: 1.5", 1.5)])
def test_hyperband_that_counts_reports_stops_what_wandb_stops(
    tmp_path: Path, keys: str, eta: float, strict: bool
) -> None:
    """Trials take turns: at every report the last band reached is looked at, with all values that came there so far."""
    draw, start = random.Random(3), 2 if eta == 3 else 1
    run = Run(pruner(tmp_path, f"type: hyperband, {keys}" + ("" if strict else ", strict: false")), steps=99)
    marks, trials = [int(start * eta**k) for k in range(9)], trials_of(20)
    curves: list[list[float]] = [[] for _ in trials]
    going, stopped = list(range(20)), 0
    while going:
        index = draw.choice(going)
        curve = curves[index]
        curve.append(index / 20 + draw.random())
        said = run.report(trials[index], len(curve), loss=curve[-1])
        reached = [mark for mark in marks if mark <= len(curve)]
        there = [other[reached[-1] - 1] for other in curves if reached and len(other) >= reached[-1]]
        judged = (curve[reached[-1] - 1] if strict else min(curve)) if reached else 0
        assert bool(said) == (bool(reached) and judged > best_third(there, eta))
        stopped += bool(said)
        if said or len(curve) == 12:
            going.remove(index)
            run.end(trials[index], State.PRUNED if said else State.COMPLETED)
    assert 3 < stopped < 20


def test_a_trial_with_a_good_start_outlives_the_band_only_where_hyperband_is_not_strict(tmp_path: Path) -> None:
    for strict, expected in (("true", 2), ("false", 3)):
        run = Run(pruner(tmp_path, f"type: hyperband, min_iter: 2, strict: {strict}"), steps=3)
        good, late = trials_of(2)
        run.alone(good, [5.0, 1.0, 1.0])
        assert run.alone(late, [0.5, 3.0, 3.0]) == expected


def test_hyperband_counts_the_reports_that_have_the_metric(tmp_path: Path) -> None:
    run = Run(pruner(tmp_path, "type: hyperband, min_iter: 2"), steps=99)
    good, bad = trials_of(2)
    run.alone(good, [1.0, 1.0, 1.0])
    assert (
        run.report(bad, 1, loss=9.0) == run.report(bad, 2, train_loss=1.0) == run.report(bad, 3, train_loss=1.0) == ""
    )
    assert run.report(bad, 4, loss=9.0) == (
        "hyperband: loss is 9 at report 2, place 2 of 2 trials there; one in 3 goes on"
    )
