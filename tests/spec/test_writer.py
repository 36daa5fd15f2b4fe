from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.spec.document import parse
from sweeper.spec.writer import dump, word

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
NAMES = TEXTS.filter(lambda name: name != "<<")
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and (one == other or (isinstance(one, float) and math.isclose(one, other)))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES | st.sampled_from(["base", "where", "parameters"]), TREES, min_size=1, max_size=4))
def test_any_tree_reads_back_as_it_was(tree: dict[str, Any]) -> None:
    assert same(parse(dump(tree), "f").tree, tree)


@pytest.mark.parametrize(
    "text", ["1e-3", "off", "null", "", "a: b", "a #b", "- x", "é", "'", '"', "\n", "\x7f", "\u2028", "😀", "{"]
)
def test_awkward_texts_read_back(text: str) -> None:
    assert parse(f"a: {word(text)}\n{word(text)}: 1", "f").tree == {"a": text, text: 1}


def test_ordinary_words_stay_bare() -> None:
    assert dump({"name": "grid", "base": {"loss.beta": 0.5, "x": [1, "b c"]}, "where": ["a > 1"]}) == (
        'name: grid\nbase:\n  loss.beta: 0.5\n  x: [1, b c]\nwhere:\n  - "a > 1"\n'
    )
