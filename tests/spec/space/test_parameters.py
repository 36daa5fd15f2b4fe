from __future__ import annotations

from typing import Any

import pytest

from sweeper.spec.space.domains import Beta, Choice, Domain, Normal, Range
from sweeper.spec.space.parameters import Complaint, domain


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"value": 1.0}, Choice((1,))),
        ({"value": None}, Choice((None,))),
        ({"values": [1, 1.0, "a", True]}, Choice((1, "a", True))),
        ({"values": [1, 2], "probabilities": [0.25, 0.75]}, Choice((1, 2), (0.25, 0.75))),
        ({"min": 1, "max": 5}, Range(1, 5, integer=True)),
        ({"min": 1, "max": 5.0}, Range(1, 5.0)),
        ({"min": 0.01, "max": 10, "log": True, "points": 4}, Range(0.01, 10, log=True, points=4)),
        ({"min": 0.0, "max": 1, "step": 0.25}, Range(0, 1, step=0.25)),
        ({"min": 0.3, "max": 1, "q": 0.25}, Range(0.5, 1, step=0.25, rounded=(0.3, 1))),
        ({"mu": 1, "sigma": 2}, Normal(1, 2)),
    ],
)
def test_keys_without_a_distribution_say_what_they_mean(keys: dict[str, Any], expected: Domain) -> None:
    assert domain(keys) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"distribution": "constant", "value": 3}, Choice((3,))),
        ({"distribution": "categorical", "values": ["a"]}, Choice(("a",))),
        (
            {"distribution": "categorical_w_probabilities", "values": [1, 2], "probabilities": [0.5, 0.5]},
            Choice((1, 2), (0.5, 0.5)),
        ),
        ({"distribution": "int_uniform", "min": 1, "max": 5}, Range(1, 5, integer=True)),
        ({"distribution": "uniform", "min": 0, "max": 1}, Range(0, 1)),
        (
            {"distribution": "q_uniform", "min": 0, "max": 10, "q": 4},
            Range(0, 8, integer=True, step=4, rounded=(0, 10)),
        ),
        ({"distribution": "q_uniform", "min": 0.5, "max": 3.5}, Range(1, 3, step=1, rounded=(0.5, 3.5))),
        ({"distribution": "log_uniform_values", "min": 1, "max": 8}, Range(1, 8, log=True)),
        ({"distribution": "inv_log_uniform_values", "min": 1, "max": 8}, Range(1, 8, log=True)),
        (
            {"distribution": "q_log_uniform_values", "min": 32, "max": 256, "q": 8},
            Range(32, 256, integer=True, log=True, step=8, rounded=(32, 256)),
        ),
        ({"distribution": "normal"}, Normal(0, 1)),
        ({"distribution": "q_normal", "mu": 2, "sigma": 3}, Normal(2, 3, q=1)),
        ({"distribution": "log_normal", "sigma": 3}, Normal(0, 3, log=True)),
        ({"distribution": "q_log_normal", "q": 2}, Normal(0, 1, log=True, q=2)),
        ({"distribution": "beta", "a": 2, "b": 3}, Beta(2, 3)),
        ({"distribution": "q_beta", "a": 2, "b": 3, "q": 0.1}, Beta(2, 3, q=0.1)),
    ],
)
def test_every_distribution_of_wandb_has_its_domain(keys: dict[str, Any], expected: Domain) -> None:
    assert domain(keys) == expected


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "has no values"),
        ({"when": "a > 0"}, "has no values"),
        ({"min": 1}, "max is missing"),
        ({"value": 1, "values": [2]}, "does not go with value$"),
        ({"values": [1], "min": 0}, "does not go with values$"),
        ({"values": [1, 2], "distribution": "uniform"}, "does not go with distribution: uniform"),
        ({"min": 0, "distribution": "categorical"}, "does not go with distribution: categorical"),
        ({"min": 0, "max": 1, "probabilities": [1]}, "does not go with min"),
        ({"min": 2, "max": 1}, "min is above max"),
        ({"min": 0, "max": 1.0, "log": True}, "starts above 0"),
        ({"min": 0, "max": 1, "step": 3}, "wider than the range"),
        ({"min": 0, "max": 1, "step": 1, "q": 1}, "exclude one another"),
        ({"min": 0.1, "max": 0.2, "q": 0.5}, "no multiple"),
        ({"min": 0.5, "max": 1, "distribution": "int_uniform"}, "whole numbers"),
        ({"values": [1, 2], "probabilities": [1]}, "as many probabilities"),
        ({"values": [1, 2], "probabilities": [0.5, 0.6]}, "sum to 1"),
        ({"values": [1, 1], "probabilities": [0.5, 0.5]}, "twice"),
        ({"distribution": "categorical_w_probabilities", "values": [1]}, "probabilities is missing"),
        ({"min": -1.7e308, "max": 1.7e308}, "too wide"),
        ({"min": 0, "max": 1e300, "q": 1e-12}, "too small"),
        ({"distribution": "log_normal", "sigma": 1000}, "leave 64-bit numbers"),
        ({"mu": 1e308}, "leave 64-bit numbers"),
    ],
)
def test_keys_that_make_no_domain_are_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(Complaint, match=words):
        domain(keys)


@pytest.mark.parametrize("name", ["log_uniform", "q_log_uniform", "inv_log_uniform"])
def test_a_distribution_with_exponents_is_refused_with_the_fix_spelled_out(name: str) -> None:
    with pytest.raises(Complaint) as caught:
        domain({"distribution": name, "min": -4.6, "max": -2.3})
    assert "min: 0.0100518, max: 0.100259" in caught.value.problem.hint
    assert "_values" in caught.value.problem.hint


def test_bounds_that_look_real_are_offered_as_they_stand() -> None:
    with pytest.raises(Complaint) as caught:
        domain({"distribution": "log_uniform", "min": 0.0001, "max": 0.1})
    assert "min: 0.0001, max: 0.1 if those are meant" in caught.value.problem.hint
