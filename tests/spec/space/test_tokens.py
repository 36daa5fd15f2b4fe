from __future__ import annotations

import pytest

from sweeper.spec.space.tokens import MAX_LENGTH, MAX_TOKENS, ExpressionError, tokens


def test_words_carry_their_columns() -> None:
    assert [(token.text, token.column) for token in tokens("a  >= 1")] == [("a", 1), (">=", 4), ("1", 7), ("", 8)]


def test_kinds_are_distinct() -> None:
    kinds = [token.kind for token in tokens("not loss.beta >= 1e-3 and `a b` == 'x'")]
    assert kinds == ["operator", "name", "operator", "number", "operator", "name", "operator", "string", "end"]


@pytest.mark.parametrize("text", ["1.2.3", "1x", "0x1F", "a..b", "$", "\\", "'", "`", "a.", "٣"])
def test_what_is_no_word_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        tokens(text)


def test_the_number_of_words_and_letters_is_bounded() -> None:
    with pytest.raises(ExpressionError, match="words"):
        tokens("- " * (MAX_TOKENS + 1))
    with pytest.raises(ExpressionError, match="characters"):
        tokens("a" * (MAX_LENGTH + 1))
