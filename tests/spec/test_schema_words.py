from __future__ import annotations

from sweeper.spec.validation import describe, node_at


def test_what_a_key_allows_is_said_in_words() -> None:
    assert describe(node_at(("seeds",))).startswith("a whole number at least 1 and at most 10000, or a list")
    assert describe(node_at(("metric", 0, "goal"))) == "minimize, maximize"
    assert describe(node_at(("parameters", "loss.beta", "log"))) == "true or false"
    assert describe(node_at(("parameters", "loss.beta", "step"))) == "a number above 0"
    assert describe(node_at(("budget", "wall"))) == "30m, 2h, 1h30m, or a number above 0"
    assert describe(node_at(("expect", 3, "best"))) == "a mapping with at_least, at_most"
    assert describe(node_at(("zip", 0))) == "a list of at least 2 (a text)"


def test_a_path_that_does_not_exist_says_nothing() -> None:
    assert node_at(("nowhere", 1, "x")) == {}
    assert describe({}) == ""
