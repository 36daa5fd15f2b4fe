"""The value of a loss weight at each step."""

import pytest

from sweeper.cvae.config import build
from sweeper.cvae.stopping import is_reached, is_stop_condition
from sweeper.cvae.terms import Schedule
from sweeper.cvae.training.schedules import scheduled, weights_over


def test_a_constant_weight_never_moves():
    assert {scheduled(2.0, Schedule(initial=9.0), u / 10) for u in range(11)} == {2.0}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("linear", [1.0, 1.0, 0.5, 0.0, 0.0]),
        ("cosine", [1.0, 1.0, 0.5, 0.0, 0.0]),
        ("delayed", [1.0, 1.0, 1.0, 0.0, 0.0]),
    ],
)
def test_each_schedule_goes_from_its_initial_value_to_the_weight(kind, values):
    schedule = Schedule(kind, initial=1.0, start=0.2, end=0.6)
    assert [scheduled(0.0, schedule, u) for u in (0.0, 0.2, 0.4, 0.6, 1.0)] == pytest.approx(values)


def test_a_cosine_starts_and_ends_flat():
    schedule = Schedule("cosine", initial=0.0, start=0.0, end=1.0)
    assert scheduled(1.0, schedule, 0.01) < 0.001
    assert scheduled(1.0, schedule, 0.99) > 0.999


def test_each_weight_follows_its_own_schedule():
    config = build({"loss.beta": 0.1, "loss.schedules.beta.kind": "delayed", "loss.schedules.beta.initial": 1.2}).loss
    found = weights_over(config, [0.0, 0.5])
    assert found["beta"] == [1.2, 0.1]
    assert found["router_support_weight"] == [0.0, 0.0]


def test_a_stop_condition_needs_every_clause():
    condition = "task_accuracy >= 0.9 and loss/posterior_kl <= 1e-1"
    assert is_stop_condition(condition)
    assert is_reached(condition, {"task_accuracy": 0.9, "loss/posterior_kl": 0.1})
    assert not is_reached(condition, {"task_accuracy": 0.9, "loss/posterior_kl": 0.2})
    assert not is_reached(condition, {"task_accuracy": 0.9})
    assert not is_reached(None, {})


@pytest.mark.parametrize("text", ["", "task_accuracy", "task_accuracy > 1", "nothing >= 1", "task_accuracy >= x"])
def test_what_is_no_condition_is_refused(text):
    assert not is_stop_condition(text)
