"""A value as text: exact, so that reading it gives the value again, or short, for people; and short names.

A string that would read as another value (`"null"`, `"true"`, `"1"`, `""`) is in double quotes, so that no two values
have the same text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping

LONGEST = 60  # characters of a value on screen
_HEAD = 24  # of them, of a value that is cut
# What YAML, JSON, Python or pandas read as something else than the string that it is.
_OTHER_VALUE = re.compile(
    r"""\s*|["'\[{].*|~|null|none|nan|n/a|na|<na>|true|false|[-+]?\.?(?:inf|infinity|nan)"""
    r"""|[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[-+]?\d+)?|0[xob][\da-f_]+""",
    re.IGNORECASE | re.DOTALL,
)


def exact(value: object) -> str:
    """A value as text that reads back: 0.1, 1, true, null, adam, [1, 2]; "1" in quotes for the string."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    plain = value == value.strip() and value.isprintable() and not _OTHER_VALUE.fullmatch(value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def show(value: object) -> str:
    """A value for people: six digits of a number; long ones cut, with length and four hash digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = exact(value)
    if len(text) <= LONGEST:
        return text
    count = f"{len(value)} {'characters' if isinstance(value, str) else 'values'}" if hasattr(value, "__len__") else ""
    head = text[:_HEAD] if isinstance(value, str) else text[:_HEAD].rpartition(" ")[0] or text[:_HEAD]
    return f"{head} ... {count} #{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each dotted name (or `group/metric`) by its last word; whole where another name ends in the same word."""
    last = {name: re.split(r"[./]", name)[-1] for name in names}
    counts = Counter(last.values())
    return {name: word if counts[word] == 1 else name for name, word in last.items()}


def settings_text(params: Mapping[str, object]) -> str:
    """Settings by their short names: `beta=1 marginal_kl=0`."""
    return " ".join(f"{short}={show(params[name])}" for name, short in short_names(params).items())
