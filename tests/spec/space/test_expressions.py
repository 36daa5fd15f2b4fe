from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.spec.space.expressions import UnknownName, condition
from sweeper.spec.space.tokens import ExpressionError
from sweeper.trial import Value

VALUES: dict[str, Value] = {"loss.beta": 0.5, "n": 3, "kind": "linear", "on": True, "none": None, "learning-rate": 0.1}


@pytest.mark.parametrize(
    "text",
    [
        "loss.beta > 0", "0 < loss.beta <= 0.5", "n == 3 and kind == 'linear'", 'kind != "cosine"', "on", "not (n > 3)",
        "n % 2 == 1 or 1 / 0 > 1", "-n ** 2 == -9", "2 ** -1 == 0.5", "min(n, 7) + max(1, 2, n) == 6", "abs(-n) == 3",
        "log(exp(1)) == 1", "n // 2 * 2 + n % 2 == n", "none == null", "on == true", "`learning-rate` < 1", "1e-3 < .5",
        "kind < 'm'", "not n == 4", "1 - 1 - 1 == -1", "8 / 2 / 2 == 2", "n != 'three'",
    ],
)  # fmt: skip
def test_what_is_true_of_a_configuration_holds(text: str) -> None:
    assert condition(text).holds(VALUES) is True


@pytest.mark.parametrize(
    "text", ["n > 3", "1 < n < 3", "kind == 'x' or n == 4", "on == 1", "not on", "none == 0", "1 == true"]
)
def test_what_is_false_of_a_configuration_does_not(text: str) -> None:
    assert condition(text).holds(VALUES) is False


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("n = 3", 3), ("n > ", 5), ("n > 3)", 6), ("(n > 3", 7), ("n >> 3", 4), ("n && on", 3), ("foo(1) > 0", 1),
        ("abs(1, 2) > 0", 1), ("n > 'x", 5), ("lambda: 1", 7), ("n[0] > 1", 2), ("n > 3 n", 7), ("", 1),
        ("1e999 > 0", 1), ("__import__('os')", 1), ("n > 3; on", 6), ("(1).real > 0", 4), ("'a'.upper() == 'A'", 4),
        ("n if on else 1", 3), ("f'{n}' == 1", 2), ("n > 1\n  and and on", 13),
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused_at_its_column(text: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        condition(text)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text",
    ["n / 0 > 1", "log(0 - n) > 0", "kind > 3", "kind + 1 > 0", "n and on", "not n", "n", "10 ** 400 > 1",
     "exp(1000) > 1", "-kind == 1", "min(kind, 1) > 0", "on + 1 == 2", "(-8) ** 0.5 > 0", "none < 1",
     "10 ** 10 ** 10 ** 10 > 1"],
)  # fmt: skip
def test_what_has_no_truth_value_says_so(text: str) -> None:
    with pytest.raises(ExpressionError):
        condition(text).holds(VALUES)


def test_a_name_that_is_not_there_is_not_an_error_of_the_text() -> None:
    clause = condition("loss.gamma > 0 and loss.beta > 0")
    assert clause.names == ("loss.gamma", "loss.beta")
    with pytest.raises(UnknownName):
        clause.holds(VALUES)


def test_attributes_do_not_exist() -> None:
    assert condition("n.__class__ == 1").names == ("n.__class__",)
    with pytest.raises(UnknownName):
        condition("n.__class__ == 1").holds(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1",
        "1 + " * 20_000 + "1 > 0",
        "not " * 400 + "on",
        "-" * 1000 + "1 > 0",
        "a" * 100_000,
        " " * 100_000 + "!",
    ],
)
@pytest.mark.timeout(30)
def test_long_and_deep_texts_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        condition(text)


def test_the_longest_allowed_sum_does_not_overflow_the_stack() -> None:
    assert condition("+".join("1" * 198) + " > 0").holds({})
    assert condition("*".join("2" * 198) + " > 0").holds({})


WORDS = st.sampled_from(
    ["n", "loss.beta", "kind", "on", "1", "0.5", "'x'", "(", ")", "+", "-", "*", "/", "**", "//", "%", "<", "<=", "==",
     "!=", "and", "or", "not", "min(", "log(", "exp(", ",", "`q r`", "1e300", "true"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=30).map(" ".join) | st.text(max_size=80))
def test_any_text_is_a_condition_or_an_error_with_a_column(text: str) -> None:
    column = 1
    try:
        assert condition(text).holds(VALUES) in (True, False)
    except UnknownName:
        pass
    except ExpressionError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1
