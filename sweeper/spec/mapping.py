"""A sweep file and its overrides given as Python mappings: they become what a file and a command line would hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

from sweeper.errors import Problem, SpecError
from sweeper.spec import writer
from sweeper.spec.document import Document, Place, Tree, below, parse
from sweeper.spec.overrides import KEYS

MAPPING = "dict"  # where messages say that a key stands
_CONTAINERS = (list, tuple, range, Set)


def document_of(tree: Mapping[str, Any]) -> Document:
    """The document of a mapping written as a sweep file is. Raises SpecError with all that no file could hold."""
    problems: list[Problem] = []
    plain = _plain(tree, "", problems)
    if problems:
        raise SpecError(*problems)
    document = parse(json.dumps(plain, ensure_ascii=False), MAPPING)
    return Document(document.tree, dict.fromkeys(document.places, Place(MAPPING)))


def as_words(overrides: Mapping[str, Any]) -> list[str]:
    """Overrides as the command line has them: `{"loss.beta": [0, 1], "seeds": 3}` is `loss.beta=0,1 seeds=3`.

    A list gives a setting several values, as a comma list does; `[[64, 64]]` is one value that is a list. Values of
    keys of the sweep file are as in the file. Raises SpecError for values that no file could hold.

    >>> as_words({"loss.beta": [0.5, 1], "budget.wall": "30m", "where": ["x < 1"], "~loss.jsd": None})
    ['loss.beta=0.5,1', 'budget.wall="30m"', 'where=["x < 1"]', '~loss.jsd']
    """
    problems: list[Problem] = []
    plain = {key: _plain(value, key, problems) for key, value in overrides.items()}
    if problems:
        raise SpecError(*problems)
    return [_word(key, value) for key, value in plain.items()]


def _word(key: str, value: Tree) -> str:
    if key.startswith("~"):
        return key
    head, _, rest = key.partition(".")
    if head in ("name", "description", "trainer") and not rest and isinstance(value, str):
        return f"{key}={value}"
    of_file = head in KEYS and head not in ("base", "parameters")
    values = value if isinstance(value, list) and value and not of_file else [value]
    return f"{key}={','.join(map(writer.flow, values))}"


def _plain(value: Any, key: str, problems: list[Problem]) -> Tree:
    """A value as YAML holds it: enumerations, paths, tuples and numbers of numpy and torch become plain ones."""
    if isinstance(value, Enum):
        return _plain(value.value, key, problems)
    if isinstance(value, Mapping):
        return {str(name): _plain(item, below(key, str(name)), problems) for name, item in value.items()}
    if isinstance(value, _CONTAINERS):
        return [_plain(item, below(key, number), problems) for number, item in enumerate(_ordered(value))]
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool | int | str):  # subclasses, as those of numpy, become their base
        return (
            value if value is None or isinstance(value, bool) else int(value) if isinstance(value, int) else str(value)
        )
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if hasattr(value, "tolist") and not isinstance(value, float):  # an array or a tensor, or a number of one
        return _plain(value.tolist(), key, problems)
    allowed = "a finite number, a text, true or false, None, a list or a mapping of these"
    problems.append(Problem("a value that a sweep file cannot hold", MAPPING, key, repr(value)[:60], allowed))
    return None


def _ordered(value: Any) -> Iterator[Any]:
    return iter(sorted(value, key=repr)) if isinstance(value, Set) else iter(value)
