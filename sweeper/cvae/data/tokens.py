"""Sequences as tokens: lists of integers or strings as they are, text by a tokenizer."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sweeper.cvae.data.problem import DataError

TOKENIZERS = ("whitespace", "characters", "bytes")
LARGEST = 2**63
LONGEST = 4096  # tokens of a sequence: attention holds a number for each pair
Tokenizer = Callable[[str], list[str]]


def tokenizer_of(name: str) -> Tokenizer:
    """The tokenizer of that name, or of that JSON file of the tokenizers library. Raises DataError."""
    if name == "whitespace":
        return str.split
    if name == "characters":
        return list
    if name == "bytes":
        return lambda text: [str(byte) for byte in text.encode()]
    if not Path(name).is_file():
        raise DataError(f"task.tokenizer {name}: neither one of {', '.join(TOKENIZERS)} nor a file")
    try:
        from tokenizers import Tokenizer as Trained
    except ImportError:
        raise DataError(f"task.tokenizer {name} needs the library tokenizers: pip install tokenizers") from None
    try:
        trained = Trained.from_file(name)
    except Exception as error:  # it raises Exception itself
        raise DataError(f"task.tokenizer {name}: {error}") from None
    return lambda text: list(trained.encode(text).tokens)


def tokens_of(value: object, tokenizer: Tokenizer, literal: bool) -> list[str]:
    """The tokens of one cell; ``literal``: text in brackets is a list, as in CSV. Raises ValueError, in words."""
    if isinstance(value, str):
        if literal and value.startswith("[") and value.endswith("]"):
            value = _literal(value)
        else:
            tokens = tokenizer(value)
            return _checked(tokens)
    items: Sequence[Any] = value if isinstance(value, Sequence) else [value]
    kinds = set(map(type, items))
    if kinds == {str} and "" not in items:  # without a look at each token, of which there may be a billion
        return _checked(list(items))
    if kinds == {int} and min(items) > -LARGEST and max(items) < LARGEST:
        return _checked(list(map(str, items)))
    return _checked([_token(item) for item in items])


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"not a list: {text[:40]!r}") from None


def _token(item: object) -> str:
    if isinstance(item, float) and math.isfinite(item) and item.is_integer():
        item = int(item)
    if isinstance(item, str) and item:
        return item
    if isinstance(item, bool) or not isinstance(item, int):
        raise ValueError(f"{item!r} is neither an integer nor a string")
    if abs(item) >= LARGEST:
        raise ValueError("a number too large, beyond 64 bits")
    return str(item)


def _checked(tokens: list[str]) -> list[str]:
    if not tokens:
        raise ValueError("empty")
    if len(tokens) > LONGEST:
        raise ValueError(f"{len(tokens)} tokens, at most {LONGEST} are allowed")
    return tokens
