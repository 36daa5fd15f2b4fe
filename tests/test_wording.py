from __future__ import annotations

from sweeper.errors import did_you_mean, excerpt


def test_a_slip_finds_its_word() -> None:
    assert did_you_mean("seed", ["seeds", "name"]) == "did you mean seeds?"
    assert did_you_mean("bta", ["loss.beta", "train.steps"]) == "did you mean loss.beta?"
    assert did_you_mean("zzz", ["seeds"]) == ""


def test_a_value_is_shown_short_and_escaped() -> None:
    assert excerpt("a\x1b[31m\n") == '"a\\u001b[31m\\n"'
    assert len(excerpt("x" * 1000)) < 70
