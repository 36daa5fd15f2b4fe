from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.spec.document import scalar
from sweeper.value_text import LONGEST, Labels, duration, exact, short_names, show
from tests.records import make_trial

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text()
    | st.sampled_from(["null", "None", "true", "True", "1", "1.0", "1e5", ".inf", "nan", "0x1F", "", " a", "[1]", "'"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (1, "1"), (True, "true"), (None, "null"), ("adam", "adam")])
def test_ordinary_values_are_written_as_in_a_sweep_file(value: object, text: str) -> None:
    assert show(value) == exact(value) == text


def read(text: str) -> Any:
    return json.loads(text) if text[:1] in ('"', "[", "{") else scalar(text)


@given(VALUES)
def test_exact_text_reads_back_as_the_same_value_of_the_same_type(value: Any) -> None:
    assert repr(read(exact(value))) == repr(value)


def test_values_that_differ_never_look_the_same() -> None:
    values = [None, "null", "", "None", "NULL", True, "true", "True", 1, "1", "1.0", "nan", [1], "[1]", ["1"], '"1"']
    assert len({show(value) for value in values}) == len({exact(value) for value in values}) == len(values)


def test_a_long_value_is_cut_and_stays_distinct() -> None:
    one, other = [0.5] * 3000, [0.5] * 2999 + [0.25]
    assert show(one).startswith("[0.5, 0.5,")
    assert "... 3000 values #" in show(one)
    assert show(one) != show(other)
    assert max(len(show(value)) for value in (one, "x" * 3000, {"a": one})) <= LONGEST
    assert len(make_trial(0, weights=one).name) < 100


def test_a_short_name_is_one_that_tells_apart() -> None:
    names = ["a.lr", "b.lr", "loss.beta", "metrics/score"]
    assert [*short_names(names).values()] == ["a.lr", "b.lr", "beta", "score"]
    trial = make_trial(3, **{"a.lr": 1, "b.lr": 2})
    assert trial.name == "a.lr=1 b.lr=2 seed=3"
    assert replace(trial, varied={}).name == "seed=3"


LABELS = Labels.declared({"a.lr": {"label": "learning rate", "short": "lr"}, "loss.jsd": "JSD weight"})


def test_labels_stand_for_names_that_have_them() -> None:
    assert LABELS.text("loss.jsd") == "JSD weight"
    assert LABELS.text("other") == "other"
    assert LABELS.short_names(["a.lr", "b.lr", "loss.jsd"]) == {"a.lr": "lr", "b.lr": "b.lr", "loss.jsd": "jsd"}
    assert LABELS.settings({"a.lr": 0.1, "loss.jsd": 1}) == "lr=0.1 jsd=1"


def test_a_short_name_that_two_have_is_none() -> None:
    twice = Labels.declared({name: {"short": "w"} for name in ("x.a", "x.b")})
    assert [*twice.short_names(["x.a", "x.b"]).values()] == ["a", "b"]


def test_without_labels_the_shortest_suffix_that_tells_apart_is_the_name() -> None:
    assert [*short_names(["model.enc.lr", "model.dec.lr", "model.lr"]).values()] == ["enc.lr", "dec.lr", "model.lr"]


def test_labels_of_a_file_win_over_those_of_a_trainer_and_are_read_back_from_the_ledger() -> None:
    ours = Labels.declared({"a.lr": {"short": "eta"}}).over(LABELS)
    assert ours.short_names(["a.lr"]) == {"a.lr": "eta"}
    assert ours.text("a.lr") == "learning rate"
    assert Labels.declared(ours.as_declared()) == ours
    assert Labels.declared({"a": 3, "b": {"label": None}}) == Labels()  # a stranger's ledger


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (270_000, "3 d 3 h")],
)
def test_durations_are_short_and_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
