"""A value as text: exact, so that reading it gives the value again, or short, for people; and what names are called.

A string that would read as another value (`"null"`, `"true"`, `"1"`, `""`) is in double quotes, so that no two values
have the same text.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


def plural(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@dataclass(frozen=True, slots=True)
class Labels:
    """What parameters and metrics are called where people look: `texts` in titles, `shorts` in headings and lines.

    Keys, columns and the names in MLflow are always the full names.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    shorts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def declared(cls, declared: Mapping[str, object]) -> Labels:
        """From `{name: label}` or `{name: {"label": ..., "short": ...}}`; what is neither is left out."""
        both = {name: {"label": one} if isinstance(one, str) else one for name, one in declared.items()}
        found = {
            part: {name: str(one[part]) for name, one in both.items() if isinstance(one, Mapping) and one.get(part)}
            for part in ("label", "short")
        }
        return cls(found["label"], found["short"])

    def as_declared(self) -> dict[str, dict[str, str]]:
        """The same, as `declared` reads it."""
        names = [*self.texts, *(name for name in self.shorts if name not in self.texts)]
        parts = (("label", self.texts), ("short", self.shorts))
        return {name: {part: of[name] for part, of in parts if name in of} for name in names}

    def over(self, other: Labels) -> Labels:
        """These, and those of another for names that have none here."""
        return Labels({**other.texts, **self.texts}, {**other.shorts, **self.shorts})

    def text(self, name: str) -> str:
        """A name as it stands in a title: its label, else the whole name."""
        return self.texts.get(name, name)

    def short_names(self, names: Iterable[str]) -> dict[str, str]:
        """Each name by its short name, else by the shortest suffix of whole words that no other of them has.

        Words end at dots and slashes. A short name that two of them have is none.
        """
        names = tuple(dict.fromkeys(names))
        return dict(_short_names(names, tuple((name, self.shorts[name]) for name in names if name in self.shorts)))

    def settings(self, params: Mapping[str, object]) -> str:
        """Settings by their short names: `beta=1 JSD=0`."""
        return " ".join(f"{short}={show(params[name])}" for name, short in self.short_names(params).items())


@functools.lru_cache(64)
def _short_names(names: tuple[str, ...], declared: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The same for every configuration of a sweep, of which there may be thousands."""
    words = {name: re.split(r"(?<=[./])", name) for name in names}
    counts = Counter(short for _, short in declared)
    found = {name: short for name, short in declared if counts[short] == 1}
    suffixes = Counter("".join(w[-n:]) for w in words.values() for n in range(1, len(w) + 1))
    for name in names:
        parts = words[name]
        tails = ("".join(parts[-n:]) for n in range(1, len(parts) + 1))
        free = (tail for tail in tails if suffixes[tail] == 1 and tail not in found.values())
        found.setdefault(name, next(free, name))
    return {name: found[name] for name in names}


NO_LABELS = Labels()


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name by the shortest suffix of whole words that no other of them has."""
    return NO_LABELS.short_names(names)
