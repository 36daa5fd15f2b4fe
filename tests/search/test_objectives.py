"""Seeds become one value for each goal, and one number for each constraint."""

from __future__ import annotations

import pytest

from sweeper.search.objectives import Objectives, violations
from sweeper.spec.space.expressions import condition
from sweeper.spec.sweep import Goal
from sweeper.trial import State
from tests.search.searches import ended


def test_each_goal_is_the_mean_of_its_metric() -> None:
    scores = Objectives([Goal("gain", True, "worst"), Goal("loss", False, "worst")])
    assert scores.of([ended(gain=1, loss=4), ended(gain=3, loss=6)]) == [2, 5]


@pytest.mark.parametrize(("maximize", "mean"), [(True, 1.5), (False, 4)])
def test_the_worst_is_of_all_configurations_so_far(maximize: bool, mean: float) -> None:
    scores = Objectives([Goal("score", maximize, "worst")])
    assert scores.of([ended(State.DIVERGED)]) is None
    scores.of([ended(score=1)])
    scores.of([ended(score=6)])
    assert scores.of([ended(score=2), ended(State.FAILED)]) == [mean]


def test_one_goal_that_fails_is_the_whole_configuration() -> None:
    scores = Objectives([Goal("gain", True, "ignore"), Goal("loss", False, "fail")])
    assert scores.of([ended(gain=1, loss=4), ended(gain=3)]) is None


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("accuracy >= 0.9", -0.05),
        ("0.9 < accuracy", -0.05),
        ("accuracy > 0.95", 1e-12),
        ("accuracy * 2 <= 1", 0.9),
        ("accuracy > 0.5 and accuracy < 0.6", 1),
        ("(accuracy > 0.5)", 0),
        ("absent > 1", 1),
        ("log(accuracy - 1) > 1", 1),
    ],
)
def test_a_violation_is_the_signed_distance_where_there_is_one(text: str, violation: float) -> None:
    ends = [ended(accuracy=1.0), ended(accuracy=0.9), ended(State.DIVERGED, accuracy=0.0)]
    assert violations([condition(text)], ends)[text] == pytest.approx(violation)
