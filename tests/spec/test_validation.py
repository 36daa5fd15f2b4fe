from __future__ import annotations

from typing import Any

import pytest

from sweeper.errors import Problem, SpecError
from sweeper.spec.document import parse
from sweeper.spec.validation import validated


def problem(text: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        validated(parse(f"name: x\n{text}", "f.yaml"))
    [found] = caught.value.problems
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seedz: 3", Problem("unknown key", "f.yaml:2", "seedz", hint="did you mean seeds?")),
        (
            "retry: {max: 1.5}",
            Problem(
                "the wrong type of value", "f.yaml:2", "retry.max", "1.5", "a whole number at least 0 and at most 100"
            ),
        ),
        (
            "metric:\n  goal: maximize",
            Problem("name is missing", "f.yaml:2", "metric", allowed="a text"),
        ),
        (
            "metric: [a, {name: b,\n  goal: maximise}]",
            Problem(
                "not one of the words that go here",
                "f.yaml:3",
                "metric[1].goal",
                '"maximise"',
                "minimize, maximize",
                "did you mean maximize?",
            ),
        ),
        (
            "parameters:\n  a:\n    min: 3\n    max: 1",
            Problem("min is above max", "f.yaml:4", "parameters.a.min", "3", "at most 1"),
        ),
        ("seeds: []", Problem("out of bounds", "f.yaml:2", "seeds", "[]", "SEEDS")),
    ],
)
def test_a_problem_has_place_key_found_allowed_and_hint(text: str, expected: Any) -> None:
    found = problem(text)
    if expected.allowed == "SEEDS":
        assert found.allowed.startswith("a whole number at least 1")
    else:
        assert found == expected


def test_a_list_is_asked_for_where_a_text_stands() -> None:
    assert problem("where: a > 1").hint == 'where: ["a > 1"]'
    assert problem("parameters: {a: 3}").hint == "a: {value: 3}"
    assert problem("parameters: {a: [1]}").hint == "a: {values: [1]}"


@pytest.mark.parametrize(
    ("text", "found", "bound"),
    [
        (
            "parameters: {" + ", ".join(f"p{i}: {{value: 1}}" for i in range(1001)) + "}",
            "1001 entries",
            "at most 1000 e",
        ),
        ("seeds: [" + ", ".join(map(str, range(10_001))) + "]", "10001 entries", "at most 10000 entries"),
        ("budget: {trials: 10000000000}", "10000000000", "at most 1000000000"),
        ("zip: [[a]]", "1 entries", "at least 2"),
        ('trainer: ""', '""', "at least 1 characters"),
        ("early_terminate: {type: asha, eta: 1}", "1", "above 1"),
    ],
)
def test_what_is_out_of_bounds_names_the_bound(text: str, found: str, bound: str) -> None:
    refused = problem(text)
    assert bound in refused.allowed
    assert refused.found == found
