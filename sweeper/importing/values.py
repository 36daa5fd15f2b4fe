"""Texts of tables and trackers as values: a column is numbers, or true and false, or words, as a whole."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from sweeper.trial import State, Value

_INTEGER = re.compile(r"[-+]?\d+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NOT_FINITE = re.compile(r"[-+]?(nan|inf|infinity)", re.IGNORECASE)
_TRUTH = {"true": True, "false": False}
_NOTHING = ("null", "None")

# As Optuna, MLflow, W&B and sweeper call it, in small letters. None: the trial has not ended.
STATES: Mapping[str, State | None] = {
    **dict.fromkeys(("completed", "complete", "finished", "success", "succeeded", "ok", "done"), State.COMPLETED),
    **dict.fromkeys(("failed", "fail", "crashed", "error"), State.FAILED),
    **dict.fromkeys(("stopped", "killed", "preempted"), State.STOPPED),
    **dict.fromkeys(("running", "waiting", "pending", "scheduled", "unfinished", "queued"), None),
    "pruned": State.PRUNED,
    "diverged": State.DIVERGED,
}


def typed_columns(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Value]]:
    """Each row's texts as values; what a column's other rows hold decides: 1 is a text next to `adam`."""
    columns: dict[str, list[str]] = {}
    for row in rows:
        for name, text in row.items():
            columns.setdefault(name, []).append(text)
    readers = {name: _reader(texts) for name, texts in columns.items()}
    return [{name: readers[name](text) for name, text in row.items()} for row in rows]


def _reader(texts: Sequence[str]) -> Callable[[str], Value]:
    known = [text for text in texts if text not in _NOTHING]
    for kind in (_number, _truth, _structure):
        if known and all(kind(text) is not None for text in known):
            return partial(_read_as, kind)
    return _word


def _read_as(kind: Callable[[str], Value], text: str) -> Value:
    return None if text in _NOTHING else kind(text)


def _number(text: str) -> Value:
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    if _NUMBER.fullmatch(text.strip()) and math.isfinite(float(text)):
        return float(text)
    return None


def _truth(text: str) -> Value:
    return _TRUTH.get(text.lower())


def _structure(text: str) -> Value:
    """A list or mapping of JSON."""
    if text[:1] not in "[{":
        return None
    try:
        found: Value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found


def _refuse(text: str) -> Value:
    raise ValueError(text)


def _word(text: str) -> Value:
    """A text; in quotes where the tool that wrote it had to tell it from another value."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def measured(value: object) -> float | None:
    """A metric's value; None for what is no number. NaN and infinite values are numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    return float(text) if _NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text) else None


def seconds(text: str) -> float | None:
    """A time as seconds since the epoch: of a number (milliseconds where that large), or of an ISO date; else None."""
    number = measured(text)
    if number is not None:
        return (number / 1000 if number > 1e11 else number) if math.isfinite(number) else None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
