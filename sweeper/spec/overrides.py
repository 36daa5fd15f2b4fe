"""KEY=VALUES on the command line, in Hydra's form, applied to a flat document.

A key of the sweep file (`seeds=5`, `budget.wall=30m`, `parameters.loss.beta.max=2`), else a parameter or trainer
setting by its dotted name: one value fixes it (`loss.beta=1`), several vary it (`loss.beta=0.5,1`), `~loss.beta` takes
it out. A list in brackets is one value (`model.widths=[64,64]`), save for a parameter whose values are no lists: there
it lists values.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from sweeper.errors import Problem, SpecError, excerpt
from sweeper.spec.document import Document, Place, Tree, parse, scalar
from sweeper.spec.merge import NAMES_ALLOWED, SETTING_NAME

COMMAND_LINE = "command line"
_KEY = re.compile(r"~?\+{0,2}[A-Za-z0-9_][\w/: .-]*")
_TEXTS = ("name", "description", "trainer", "storage")
_LISTS = ("where", "constraints", "zip", "expect", "configs", "seeds")
_SECTIONS = (
    "metric", "sampler", "early_terminate", "budget", "resources", "retry", "abort", "notify", "checkpoints",
    "tracking",
)  # fmt: skip
PARAMETER_KEYS = (
    "value", "values", "probabilities", "min", "max", "log", "step", "q", "points", "distribution", "mu", "sigma", "a",
    "b", "when", "label", "short",
)  # fmt: skip
KEYS = (*_TEXTS, *_LISTS, *_SECTIONS, "method", "base", "parameters")


def apply(document: Document, overrides: Sequence[str]) -> Document:
    """The document with all overrides. Raises SpecError naming every one that cannot be read."""
    document = Document(dict(document.tree), dict(document.places))
    problems: list[Problem] = []
    for override in overrides:
        try:
            _apply(document, override)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    return document


def _apply(document: Document, override: str) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not _KEY.fullmatch(key) or (not equals and not key.startswith("~")):
        raise _wrong(key[:60], "not of the form KEY=VALUE", excerpt(override), "loss.beta=0.5,1 or budget.wall=30m")
    if key.startswith("~"):
        _take_out(document, key[1:])
        return
    key = key.lstrip("+")
    head, _, rest = key.partition(".")
    known = any(key in (document.tree.get(section) or {}) for section in ("base", "parameters"))
    name, _, last = rest.rpartition(".")
    if head == "parameters" and last in PARAMETER_KEYS and name in (document.tree.get("parameters") or {}):
        _set_parameter_key(document, name, last, values_of(key, text))
    elif rest and head in ("base", "parameters"):
        _set_setting(document, rest, values_of(key, text))
    elif known or not _is_sweep_key(key):
        _set_setting(document, key, values_of(key, text))
    else:
        _set_sweep_key(document, key, text)


def _is_sweep_key(key: str) -> bool:
    """Whether the key is one of the sweep file. Raises SpecError for what looks like a slip of one."""
    head, _, rest = key.partition(".")
    known = (*_SECTIONS, "seeds") if rest else KEYS
    if head in known:
        return True
    near = difflib.get_close_matches(head[:60], known, n=1, cutoff=0.8)
    if near and head not in ("base", "parameters"):
        meant = f"{near[0]}.{rest}" if rest else near[0]
        raise _wrong(key, "unknown key", key, "a key of the sweep file or a setting", f"did you mean {meant}?")
    return False


def _set_sweep_key(document: Document, key: str, text: str) -> None:
    head, _, rest = key.partition(".")
    if head in ("base", "parameters"):
        raise _wrong(key, "this section cannot be replaced as a whole", "", "", f"{head}.NAME=VALUE sets one name")
    values = [text] if head in _TEXTS else values_of(key, text)
    value: Tree = values if len(values) > 1 else values[0]
    if head in _LISTS and head != "seeds" and not isinstance(value, list) and value is not None:
        value = [value]
    if rest:
        section = document.tree.get(head)
        if head == "metric" and isinstance(section, str):
            section = {"name": section}
        if section is not None and not isinstance(section, dict):
            allowed = "{start: 6, max: 30, until: decided}" if head == "seeds" else "{name: ..., goal: ...}"
            raise _wrong(key, f"{head} is not a mapping here", excerpt(section), f"{head}={allowed}")
        value = _nested(section or {}, rest.split("."), value)
    _forget(document, f"{head}.{rest}" if rest else head)
    document.tree[head] = value
    document.places.setdefault(head, Place(COMMAND_LINE))
    document.places[key] = Place(COMMAND_LINE)


def _nested(section: dict[str, Tree], path: list[str], value: Tree) -> dict[str, Tree]:
    if len(path) == 1:
        return {**section, path[0]: value}
    inner = section.get(path[0])
    return {**section, path[0]: _nested(inner if isinstance(inner, dict) else {}, path[1:], value)}


def _set_setting(document: Document, name: str, values: list[Tree]) -> None:
    if not SETTING_NAME.fullmatch(name):
        raise _wrong(name, "not a name of a setting", excerpt(name), NAMES_ALLOWED)
    base, parameters = _section(document, "base"), _section(document, "parameters")
    keys = parameters.get(name)
    if len(values) == 1 and isinstance(values[0], list) and isinstance(keys, dict) and not _holds(keys, list):
        values = values[0] or [[]]
    if len(values) == 1 and isinstance(values[0], dict) and values[0]:
        _set_mapping(document, name, values[0])
    elif len(values) == 1:
        parameters.pop(name, None)
        base[name] = values[0]
        _leave_zips(document, name)
    else:
        when = {"when": keys["when"]} if isinstance(keys, dict) and "when" in keys else {}
        base.pop(name, None)
        parameters[name] = {"values": values, **when}
    section = "base" if len(values) == 1 else "parameters"
    for stale in (f"base.{name}", f"parameters.{name}"):
        _forget(document, stale)
    document.places[f"{section}.{name}"] = Place(COMMAND_LINE)


def _set_mapping(document: Document, name: str, mapping: dict[str, Tree]) -> None:
    """A mapping is nested settings, as in `base`; the value itself where a parameter has mappings as values."""
    parameters, base = _section(document, "parameters"), _section(document, "base")
    keys = parameters.pop(name, None)
    base.pop(name, None)
    _leave_zips(document, name)
    if isinstance(keys, dict) and _holds(keys, dict):
        parameters[name] = {"value": mapping, **{key: value for key, value in keys.items() if key == "when"}}
        document.places[f"parameters.{name}"] = Place(COMMAND_LINE)
    else:
        for key, value in mapping.items():
            _set_setting(document, f"{name}.{key}", [value])


def _set_parameter_key(document: Document, name: str, key: str, values: list[Tree]) -> None:
    parameters = _section(document, "parameters")
    keys = parameters[name]
    value: Tree = values if len(values) > 1 else values[0]
    if key in ("values", "probabilities") and not isinstance(value, list):
        value = [value]
    parameters[name] = {**keys, key: value} if isinstance(keys, dict) else {key: value}
    _forget(document, f"parameters.{name}.{key}")
    document.places[f"parameters.{name}.{key}"] = Place(COMMAND_LINE)


def _take_out(document: Document, key: str) -> None:
    base, parameters = _section(document, "base"), _section(document, "parameters")
    if key in base or key in parameters:
        base.pop(key, None)
        parameters.pop(key, None)
        _leave_zips(document, key)
    elif key in document.tree:
        del document.tree[key]
    else:
        raise _wrong(f"~{key}", "there is nothing of this name to take out", key, "")


def _section(document: Document, name: str) -> dict[str, Tree]:
    """A section as a mapping that may be edited; one of the wrong type is left for the models to refuse."""
    section = document.tree.get(name)
    if section is not None and not isinstance(section, dict):
        raise _wrong(name, "not a mapping in the file", excerpt(section), "name: value")
    edited: dict[str, Tree] = dict(section or {})
    document.tree[name] = edited
    document.places.setdefault(name, Place(COMMAND_LINE))
    return edited


def _leave_zips(document: Document, name: str) -> None:
    """A parameter that no longer varies leaves its group; a group of one is none."""
    groups = document.tree.get("zip")
    if isinstance(groups, list) and all(isinstance(group, list) for group in groups):
        left = [[member for member in group if member != name] for group in groups]
        document.tree["zip"] = [group for group in left if len(group) > 1]


def _holds(keys: dict[str, Tree], kind: type) -> bool:
    """Whether a parameter has a list, or a mapping, among its values."""
    values = keys.get("values", [keys.get("value")])
    return isinstance(values, list) and any(isinstance(value, kind) for value in values)


def _forget(document: Document, key: str) -> None:
    for stale in [other for other in document.places if other == key or other.startswith((f"{key}.", f"{key}["))]:
        del document.places[stale]


def values_of(key: str, text: str) -> list[Tree]:
    """The values of a comma list; commas in quotes and brackets do not part. Raises SpecError."""
    pieces, depth, quote, start = [], 0, "", 0
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not text[start:index].strip():
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            pieces.append(text[start:index])
            start = index + 1
    if quote or depth:
        what = f"a quote {quote}" if quote else "a bracket"
        raise _wrong(key, f"{what} is not closed", excerpt(text), "")
    values = [_value(key, piece.strip()) for piece in [*pieces, text[start:]]]
    if len(values) > 1 and "" in (piece.strip() for piece in [*pieces, text[start:]]):
        raise _wrong(key, "an empty value in the list", excerpt(text), "values between all commas; '' is an empty text")
    return values


def _value(key: str, text: str) -> Tree:
    try:
        if text[:1] in ("[", "{", "'", '"'):
            return parse(f"v: {text}", COMMAND_LINE).tree["v"]
        return scalar(text)
    except ValueError as error:
        raise _wrong(key, str(error), excerpt(text), "a finite number of 64 bits") from None
    except SpecError as error:
        raise _wrong(key, error.problems[0].message, excerpt(text), "a value as YAML writes it") from None


def _wrong(key: str, message: str, found: str, allowed: str, hint: str = "") -> SpecError:
    return SpecError(Problem(message, COMMAND_LINE, key, found, allowed, hint))
