from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.trial import Record, by_config, canonical, canonical_json, config_key, trial_key
from tests.records import make_trial

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_equal_settings_have_one_key_whatever_their_spelling_and_order() -> None:
    assert config_key("t", {"a": 1, "b": 3e6}) == config_key("t", {"b": 3000000, "a": 1.0})


def test_true_and_one_are_different_values() -> None:
    assert config_key("t", {"a": True}) != config_key("t", {"a": 1})


def test_the_keys_of_today_are_frozen() -> None:
    """A change here makes every result of every user unknown: it needs a new ledger version, not a new number."""
    config = config_key("cvae", {"loss.beta": 0.5, "task.name": "operator_order", "train.steps": 2000})
    assert config == "0a9d2603809c6db9"
    assert trial_key(config, 3, "0123456789ab") == "1d9be2d83f78536f"


@given(FINITE)
def test_canonical_values_are_equal_to_what_was_given(value: float) -> None:
    assert canonical(value) == value
    assert canonical(canonical(value)) == canonical(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_have_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        canonical_json({"a": value})


def test_minus_zero_is_zero() -> None:
    assert canonical_json({"a": -0.0}) == '{"a":0}'


def test_a_trial_is_called_by_what_varies() -> None:
    assert make_trial(2, **{"loss.beta": 0.5, "on": True}).name == "beta=0.5 on=true seed=2"


def test_the_seeds_of_a_configuration_are_one_group_in_the_order_given() -> None:
    trials = [make_trial(seed, x=x) for seed in (0, 1) for x in (1, 2)]
    groups = by_config(map(Record, trials))
    assert [[record.trial.seed for record in group] for group in groups.values()] == [[0, 1], [0, 1]]
    assert list(groups) == [trials[0].config, trials[1].config]
