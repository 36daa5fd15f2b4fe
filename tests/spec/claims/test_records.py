from __future__ import annotations

import math
from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.planning.configurations import configurations
from sweeper.spec.claims.records import (
    Against,
    Best,
    Claim,
    Compare,
    Equivalent,
    Interaction,
    Mean,
    Monotone,
    Share,
    Test,
    Typical,
    Within,
)
from tests.spec.sweep_texts import complaint, loaded

SWEEP = "parameters: {a: {values: [1, 2]}, b: {values: [3, 4]}}\nexpect:\n  - {name: n, metric: m, %s}\n"


@pytest.mark.parametrize(
    ("keys", "test"),
    [
        ("within: [0, 1.5]", Within(0, 1.5)),
        ("typical: [0.985, 1]", Typical(0.985, 1)),
        ("best: {at_least: 0.9}", Best(0.9, None)),
        ("best: {at_most: 0}", Best(None, 0)),
        ("within: [0.975, null]", Within(0.975, math.inf)),
        ("mean: {at_least: 0.975}", Mean(0.975, None)),
        ("share: {above: 0.9, at_least: 0.5}", Share(0.9, math.inf, 0.5, None)),
        ("equivalent: {to: 0, margin: 0.1}", Equivalent(0, 0.1)),
        ("compare: {a: [1.0, 2]}", Compare({"a": 1}, {"a": 2}, "greater", 0, 0)),
        ("compare: {a: [1, 2]}, effect: less, min_gain: 0.1", Compare({"a": 1}, {"a": 2}, "less", 0.1, 0)),
        ("compare: {a: [1, 2]}, effect: not_higher, margin: 0.1", Compare({"a": 1}, {"a": 2}, "not_higher", 0, 0.1)),
        ("compare: {a: [2, 1], b: [4, 3]}", Compare({"a": 2, "b": 4}, {"a": 1, "b": 3}, "greater", 0, 0)),
        (
            "interaction: {a: [1, 2], b: [4, 3]}, min_gain: 0.1",
            Interaction({"a": 1, "b": 4}, {"a": 2, "b": 3}, "greater", 0.1, 0),
        ),
        ("monotone: {a: increasing}", Monotone("a", True)),
        ("monotone: {a: decreasing}", Monotone("a", False)),
    ],
)
def test_every_kind_of_claim_has_its_record(tmp_path: Path, keys: str, test: Test) -> None:
    [claim] = loaded(tmp_path, SWEEP % keys).claims
    assert claim == Claim("n", "m", "configs", None, 0.05, test)


def test_a_claim_may_be_about_trials_and_some_configurations_only(tmp_path: Path) -> None:
    text = "expect: [{name: n, metric: m, over: trials, where: 'a > 1', alpha: 0.01, within: [0, 1]}]\n"
    [claim] = loaded(tmp_path, text).claims
    assert (claim.over, claim.alpha) == ("trials", 0.01)
    assert claim.where is not None
    assert claim.where.text == "a > 1"


def test_a_reference_table_is_found_beside_its_file_wherever_the_sweep_is_run(tmp_path: Path) -> None:
    text = "expect: [{name: n, metric: m, against: {table: ref/t.csv, tolerance: 0.1}}]\n"
    [claim] = loaded(tmp_path, text).claims
    assert claim.test == Against(tmp_path / "ref/t.csv", 0.1)
    sweep = loaded(tmp_path, text)
    (tmp_path / "elsewhere").mkdir()
    assert loaded(tmp_path / "elsewhere", sweep.text).claims == (claim,)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("within: [0, 1], margin: 0.1", "margin goes with compare and interaction only"),
        ("compare: {a: [1, 2]}, margin: 0.1", "margin goes with not_lower"),
        ("compare: {a: [1, 2]}, effect: not_lower, min_gain: 0.1", "min_gain goes with greater"),
        ("compare: {a: [1, 2], b: [3, 3]}", "the two values are the same"),
        ("compare: {a: [1, 2, 3]}", "a list of 2"),
        ("compare: {}", "at least one parameter"),
        ("interaction: {a: [1, 2]}", "exactly two parameters are needed"),
        ("interaction: {a: [1, 2], b: [3, 3.0]}", "the two values are the same"),
        ("interaction: {a: [1, 2], b: [3, 4]}, margin: 0.1", "margin goes with not_lower"),
        ("monotone: {}", "exactly one parameter"),
        ("within: [null, null]", "the interval is empty"),
        ("mean: {}", "at_least or at_most"),
        ("share: {at_least: 0.5}", "above, below, or both"),
        ("success: {above: 1}, typical: [0, 1]", "mean, best, compare over configs"),
        ("success: {}, mean: {at_least: 1}", "above, below, or both"),
        ("success: {above: 1}, mean: {at_least: 1}, test: t", "exact"),
        ("share: {above: 1, at_least: 50}", "at most 1"),
        ("monotone: {a: up}", "increasing, decreasing"),
        ("equivalent: {to: 1}", "margin is missing"),
        ("alpha: 2, within: [0, 1]", "below 1"),
        ("best: {at_least: 1, at_most: 2}", "at_least or at_most"),
        ("wihtin: [0, 1]", "did you mean within?"),
    ],
)
def test_a_claim_that_says_nothing_clear_is_refused(tmp_path: Path, keys: str, words: str) -> None:
    said = complaint(tmp_path, SWEEP % keys)
    assert "file.yaml:3" in said
    assert words in said


def test_a_condition_on_what_is_no_setting_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, SWEEP % "where: aa > 1, within: [0, 1]")
    with pytest.raises(SpecError, match=r"file.yaml:3: expect\[0\].where: no such setting"):
        configurations(sweep)
    assert configurations(sweep, {"aa": 1}).complete
