"""Words of error messages: a value shown short and safely, and the known name that a slip may have meant."""

from __future__ import annotations

import difflib
import json
from typing import Any


def excerpt(value: Any, length: int = 60) -> str:
    """A value as an error message shows it: JSON, escaped and cut."""
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def did_you_mean(name: str, known: list[str] | tuple[str, ...]) -> str:
    """`did you mean beta?`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name[:200], known, n=1, cutoff=0.6)
    if not near:
        last = {word.rsplit(".", 1)[-1]: word for word in known}
        near = [last[word] for word in difflib.get_close_matches(name[:200].rsplit(".", 1)[-1], last, n=1, cutoff=0.75)]
    return f"did you mean {near[0]}?" if near else ""
