"""The words of the expression language, each with its column, and the error that points at one."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LENGTH = 2_000  # characters
MAX_TOKENS = 400  # bounds the depth of the closures as well


class ExpressionError(ValueError):
    """What is wrong with an expression, and at which column (from 1)."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.message, self.column = message, column


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # number | string | name | operator | end
    text: str
    column: int


_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))"
    r"|(?P<string>'[^']*'|\"[^\"]*\")"
    r"|(?P<name>[^\W\d]\w*(?:\.\w+)*|`[^`]+`)"
    r"|(?P<operator>\*\*|//|==|!=|<=|>=|[-+*/%<>(),])"
)

_WORD_OPERATORS = ("and", "or", "not")
_HINTS = {"=": "use == to compare", "&": "use and", "|": "use or", "!": "use not", "[": "there are no lists"}


def tokens(text: str) -> list[Token]:
    """The words of a text, closed by an empty one of kind `end`. Raises ExpressionError for anything else."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            hint = _HINTS.get(text[position], "")
            raise ExpressionError(f"unexpected {text[position]!a}" + (f", {hint}" if hint else ""), position + 1)
        kind, word = str(match.lastgroup), match.group()
        if word in _WORD_OPERATORS:
            kind = "operator"
        if kind != "space":
            found.append(Token(kind, word, position + 1))
        if len(found) > MAX_TOKENS:
            raise ExpressionError(f"more than {MAX_TOKENS} words", position + 1)
        position = match.end()
    return [*found, Token("end", "", len(text) + 1)]
