from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.sweep_texts import complaint, loaded

ONE = "metric: {name: loss, goal: minimize}\nparameters: {x: {values: [1, 2]}}\n"
TWO = ONE.replace("{name: loss, goal: minimize}", "[{name: loss, goal: minimize}, {name: gain, goal: maximize}]")


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        (TWO, "type: asha", "metric: one of loss, gain"),
        (ONE, "type: median, metric: gain", "which way this metric is better"),
        (ONE, "type: asha, eta: 2.5", "2, 3, 4"),
        (ONE, "type: hyperband, eta: 1.5", "with min_iter or max_iter takes any number above 1"),
        (ONE, "type: hyperband, max_iter: 2", "at least eta, 3"),
        (ONE, "type: hyperband, max_iter: 2, s: 1", "at least eta, 3"),
        (ONE, "type: asha, min_steps: 3, max_iter: 9", "steps and reports at once"),
        ("parameters: {x: {values: [1, 2]}}\n", "type: median", "needs a metric"),
    ],
)
def test_rules_that_cannot_be_applied_are_refused(tmp_path: Path, text: str, rule: str, words: str) -> None:
    said = complaint(tmp_path, f"{text}early_terminate: {{{rule}}}\n")
    assert words in said
    assert "file.yaml:" in said


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (TWO, "type: asha, metric: gain"),
        (TWO, "type: threshold, metric: kl, above: 9"),
        (ONE, "type: hyperband, min_iter: 3, eta: 3, s: 2"),
        (ONE, "type: hyperband, min_iter: 3, eta: 1.5, strict: false"),
        (ONE, "type: patience, patience: 3, min_delta: 0.1"),
        (ONE, "type: none"),
    ],
)
def test_rules_that_can_be_applied_pass_without_a_word(tmp_path: Path, text: str, rule: str) -> None:
    assert loaded(tmp_path, f"{text}early_terminate: {{{rule}}}\n").warnings == ()


@pytest.mark.parametrize("rule", ["type: asha, patience: 3", "type: median, patience: 3", "patience: 3"])
def test_keys_of_another_rule_are_reported(tmp_path: Path, rule: str) -> None:
    (warning,) = loaded(tmp_path, f"{ONE}early_terminate: {{{rule}}}\n").warnings
    assert warning.key == "early_terminate.patience"
    assert "no effect" in str(warning)


@pytest.mark.parametrize(
    "rule", ["type: hyperband, min_steps: 3, strict: true", "type: asha, min_iter: 3, strict: true"]
)
def test_strict_without_effect_is_reported(tmp_path: Path, rule: str) -> None:
    (warning,) = loaded(tmp_path, f"{ONE}early_terminate: {{{rule}}}\n").warnings
    assert warning.key == "early_terminate.strict"
