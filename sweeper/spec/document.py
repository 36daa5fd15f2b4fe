"""A YAML 1.2 file as plain values, with the place of every key: what an error message points at.

PyYAML only splits the text into events here. Its own resolver follows YAML 1.1 (`1e-3` a string, `off` false), and its
composers recurse in C and crash on deep nesting, so scalars are resolved and the tree is built below, within bounds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sweeper.errors import Problem, SpecError, did_you_mean, excerpt
from sweeper.ledger import regular_file

MAX_BYTES = 1_000_000


Tree = Any  # None | bool | int | float | str | list[Tree] | dict[str, Tree]

MAX_DEPTH = 50
MAX_KEY = 500  # characters of a whole dotted path: places stay small
MAX_NODES = 100_000  # after aliases are expanded: a bomb of nine anchors would make 10^9
MAX_INTEGER = 2**63

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAGS: dict[str, tuple[type, ...]] = {  # W&B's manual writes !!float 1e-5; tags of Python objects stay refused
    "tag:yaml.org,2002:float": (float, int),
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:str": (),
    "tag:yaml.org,2002:seq": (),
    "tag:yaml.org,2002:map": (),
}
_WORDS: dict[str, Tree] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands. Lines and columns count from 1; line 0 means that the place has none (the command line)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(slots=True)
class Document:
    """A mapping and the places of its keys, by dotted path: `budget.wall`, `parameters.loss.beta.values[0]`."""

    tree: dict[str, Tree]
    places: dict[str, Place]

    def place(self, key: str) -> Place:
        """The place of a key, or of the nearest key above it."""
        while key and key not in self.places:
            key = above(key)
        return self.places[key]


def above(key: str) -> str:
    """The dotted path one level up: `a.b[0]` -> `a.b` -> `a` -> the empty one."""
    cut = max(key.rfind("."), key.rfind("["), 0)
    return key[:cut]


def below(key: str, name: str | int) -> str:
    """The dotted path one level down."""
    if isinstance(name, int):
        return f"{key}[{name}]"
    return f"{key}.{name}" if key else name


def read(path: Path) -> Document:
    """The document of a file. Raises SpecError with every problem of its form."""
    return parse(text_of(path), str(path))


def parse(text: str, name: str) -> Document:
    """The document of a text; `name` is the file that messages show."""
    builder = _Builder(name)
    try:
        tree = builder.document(iter(yaml.parse(text, Loader=_LOADER)))
    except yaml.YAMLError as error:
        raise SpecError(_syntax(error, text, name)) from None
    if builder.problems:
        raise SpecError(*builder.problems)
    if not isinstance(tree, dict):
        what = "the file is empty" if tree is None else "the file holds no mapping"
        found = "" if tree is None else "a list" if isinstance(tree, list) else excerpt(tree)
        raise SpecError(Problem(what, name, found=found, allowed="key: value lines", hint="sweeper init writes one"))
    return Document(tree, builder.places)


def scalar(text: str) -> Tree:
    """The value of a plain scalar by the YAML 1.2 core schema. Raises ValueError for numbers that no JSON can hold."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text, 0 if text[:2] in ("0o", "0x") else 10) if len(text) < 25 else MAX_INTEGER
        if abs(number) >= MAX_INTEGER:
            raise ValueError("an integer of more than 63 bits")
        return number
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("a number too large for 64 bits")
        return value
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("not a finite number")
    return text


@dataclass(slots=True)
class _Builder:
    """Builds the tree from events, one recursion per level, and notes where each key stands."""

    name: str
    places: dict[str, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, Tree] = field(default_factory=dict)
    nodes: int = 0

    def document(self, events: Iterator[Any]) -> Tree:
        tree: Tree = None
        self.places[""] = Place(self.name, 1, 1)
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and seen:
                self._stop(event, "", "a second document", "one document per file", "take out the line ---")
            elif isinstance(event, yaml.NodeEvent):
                tree, seen = self._node(event, events, "", 0), True
        return tree

    def _node(self, event: Any, events: Iterator[Any], key: str, depth: int) -> Tree:
        place = self.places.setdefault(key, self._place(event))
        if depth > MAX_DEPTH:
            self._stop(event, key[:80], "nested too deeply", f"at most {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, key)
        self._count(event, 1)
        if event.tag not in _TAGS and event.tag not in (None, "!"):
            self._note(place, key, "tags are not allowed in a sweep file", found=event.tag, allowed="plain YAML values")
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, place, key)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, key, depth)
        else:
            value = self._mapping(events, key, depth)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def _scalar(self, event: Any, place: Place, key: str) -> Tree:
        kinds = _TAGS.get(event.tag or "", ())
        if not event.implicit[0] and not kinds:
            return event.value
        try:
            value = scalar(event.value)
            if kinds and type(value) not in kinds:
                raise ValueError(f"not a value of its tag {event.tag.replace('tag:yaml.org,2002:', '!!')}")
            return float(value) if float in kinds else value
        except ValueError as error:
            self._note(place, key, str(error), found=excerpt(event.value), allowed="a finite number of 64 bits")
            return 0

    def _sequence(self, events: Iterator[Any], key: str, depth: int) -> list[Tree]:
        items: list[Tree] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(event, events, below(key, len(items)), depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], key: str, depth: int) -> dict[str, Tree]:
        mapping: dict[str, Tree] = {}
        lines: dict[str, Place] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, key, "a key that is not a word", "name: value")
            name, place = event.value, self._place(event)
            self._count(event, 1)
            path = below(key, name)
            if len(path) > MAX_KEY:
                self._stop(
                    event, path[:80], "a key that is too long", f"at most {MAX_KEY} characters with those above it"
                )
            if name in lines:
                self._note(place, path, "the key is given twice", found=f"first at {lines[name]}", allowed="once")
            elif name == "<<":
                self._note(
                    place, path, "merge keys are not part of YAML 1.2", hint="use extends: or write the keys out"
                )
            lines.setdefault(name, place)
            self.places[path] = place
            value = self._node(next(events), events, path, depth + 1)
            mapping.setdefault(name, value)
        return mapping

    def _alias(self, event: Any, key: str) -> Tree:
        if event.anchor not in self.anchors:
            self._stop(
                event, key, "an alias of an anchor that is not complete before it", "", f"define &{event.anchor} first"
            )
        return self._copy(event, self.anchors[event.anchor])

    def _copy(self, event: Any, value: Tree) -> Tree:
        """A copy of an anchored value: an edit of one must not change the other."""
        self._count(event, 1)
        if isinstance(value, list):
            return [self._copy(event, item) for item in value]
        if isinstance(value, dict):
            return {name: self._copy(event, item) for name, item in value.items()}
        return value

    def _count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self._stop(event, "", "too many values once aliases are expanded", f"at most {MAX_NODES}")

    def _place(self, event: Any) -> Place:
        return Place(self.name, event.start_mark.line + 1, event.start_mark.column + 1)

    def _note(self, place: Place, key: str, message: str, **details: str) -> None:
        self.problems.append(Problem(message, str(place), key, **details))

    def _stop(self, event: Any, key: str, message: str, allowed: str = "", hint: str = "", found: str = "") -> None:
        problem = Problem(message, str(self._place(event)), key, found=found, allowed=allowed, hint=hint)
        raise SpecError(*self.problems, problem)


def _syntax(error: yaml.YAMLError, text: str, name: str) -> Problem:
    """PyYAML's complaint as one problem; a tab, the most common cause, is named."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        position = getattr(error, "position", 0)
        line = text[:position].count("\n") + 1 if isinstance(position, int) else 1
        return Problem("a character that YAML does not allow", f"{name}:{line}", hint=str(getattr(error, "reason", "")))
    lines = text.splitlines()
    line = min(mark.line + 1, len(lines)) or 1  # a text that ends too early is wrong one line after its last
    row = lines[line - 1] if lines else ""
    message = getattr(error, "problem", None) or "not valid YAML"
    hint = ""
    if "\t" in row[: mark.column + 1]:
        message, hint = "a tab in the indentation", "indent with spaces"
    elif message == "mapping values are not allowed in this context":
        hint = "quote a text that holds ': ', and check the indentation"
    return Problem(f"{message} (column {mark.column + 1})", f"{name}:{line}", found=excerpt(row.strip()), hint=hint)


def text_of(path: Path) -> str:
    """The text of a file. Raises SpecError for what is missing, no file, too large or not UTF-8."""
    name = str(path)
    try:
        if path.is_dir():
            files = ", ".join(sorted(file.name for file in path.glob("*.y*ml"))[:5])
            raise SpecError(
                Problem("this is a folder", name, allowed="a sweep file", hint=files and f"it holds {files}")
            )
        if not path.exists():
            near = did_you_mean(path.name, [file.name for file in path.parent.glob("*.y*ml")])
            raise SpecError(Problem("no such file", name, hint=near or "sweeper init writes a sweep file"))
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(Problem("too large for a sweep file", name, found=f"{size} bytes", allowed=f"{MAX_BYTES}"))
        return regular_file.read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SpecError(
            Problem(
                "not UTF-8 text", f"{name}:{line}", found=f"byte 0x{error.object[error.start]:02x}", allowed="UTF-8"
            )
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SpecError(Problem(f"cannot read the file: {reason}", name)) from None
