from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sweeper.spec.fields import one_or_more_metrics, seconds, seeds_in_full
from sweeper.spec.sections import BudgetKeys, MetricKeys, ParameterKeys, TrackingKeys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("2d", 172800),
        ("90s", 90),
        ("1.5h", 5400),
        ("1h 30m", 5400),
        (90, 90),
    ],
)
def test_durations_are_seconds(text: Any, expected: float) -> None:
    assert seconds(text) == expected
    assert BudgetKeys.model_validate({"wall": text}).wall == expected


@pytest.mark.parametrize("text", ["", "soon", "h", "30m2h", "-1h", "1h30", "0m", 0, -5, True, "1e3"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError):
        BudgetKeys.model_validate({"wall": text})


def test_short_forms_are_brought_to_the_long_one() -> None:
    assert one_or_more_metrics("a") == [{"name": "a"}]
    assert one_or_more_metrics([{"name": "a"}, "b"]) == [{"name": "a"}, {"name": "b"}]
    assert seeds_in_full(3) == [0, 1, 2]
    assert seeds_in_full([5]) == [5]


def test_types_are_taken_exactly() -> None:
    for keys in ({"min": "1", "max": 2}, {"min": True, "max": 2}, {"min": 1, "max": 2, "log": 1}, {"values": 3}):
        with pytest.raises(ValidationError):
            ParameterKeys.model_validate(keys)
    with pytest.raises(ValidationError):
        MetricKeys.model_validate({"name": 3})


def test_whole_bounds_stay_whole_and_empty_keys_are_left_out() -> None:
    given = ParameterKeys.model_validate({"min": 1, "max": 2.0, "log": None}).given
    assert [repr(value) for value in given.values()] == ["1", "2.0"]
    assert ParameterKeys.model_validate({"value": None}).given == {"value": None}


@pytest.mark.parametrize("text", ["http://me:pa/ss@host:5000", "postgresql://me:p#@host/db"])
def test_an_address_whose_log_in_cannot_be_told_from_its_path_is_refused_without_it(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TrackingKeys.model_validate({"uri": text})
    assert "me" not in str(raised.value.errors()[0]["ctx"]["error"].problem.found)


@pytest.mark.parametrize(
    "text", ["http://me:p%2Fss@host:5000", "http://host:5000/a@b", "sqlite:////a@b.db", "databricks", "http://h/x@y"]
)
def test_other_addresses_of_a_server_are_taken(text: str) -> None:
    assert TrackingKeys.model_validate({"uri": text}).uri == text
