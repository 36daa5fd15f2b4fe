from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import Problem, SpecError
from sweeper.spec.document import parse
from sweeper.spec.load import load_spec
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


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("1_000", "write 1000: in YAML 1.2 a number has no _"),
        ('"3"', "write 3 without quotes"),
        ('" 1e-3"', "write 1e-3 without quotes"),
        ("nan", "a number must be finite"),
    ],
)
def test_a_text_that_other_readers_take_for_a_number_is_named_with_the_number_to_write(
    tmp_path: Path, value: str, hint: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"parameters: {{x: {{values: [{value}, a]}}}}\n")
    assert [one.hint for one in load_spec(file).warnings if "looks like" in one.message] == [hint]
    file.write_text(f"resources: {{cpu: {value}}}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert caught.value.problems[0].hint == hint
