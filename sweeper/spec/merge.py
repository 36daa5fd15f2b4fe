"""A sweep file and those it extends, as one flat document: names dotted, later files winning key by key."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, SpecError, did_you_mean, excerpt
from sweeper.spec import wandb
from sweeper.spec.document import Document, Tree, below, read

MAX_FILES = 20
NAMES_ALLOWED = "letters, digits, _, -, and dots between words"
SETTING_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_/: -]*(?:\.[A-Za-z0-9_][A-Za-z0-9_/: -]*)*")
_KINDS = (("value",), ("values", "probabilities"), ("min", "max", "log", "step", "q", "points"), ("mu", "sigma"))


def layered(
    path: Path, stack: tuple[Path, ...] = (), *, alone: bool = False, given: Document | None = None
) -> tuple[Document, list[Problem]]:
    """The document of a file merged onto those it extends (refused with `alone`), flat, and warnings of W&B's keys.

    With `given` that is what the file would hold; `path` is then where it would lie.
    """
    document, warnings = wandb.translate(read(path) if given is None else given)
    document = flat(_anchored(document, path))
    extends = document.tree.pop("extends", None)
    if extends is None:
        document.tree = {key: value for key, value in document.tree.items() if value is not None}
        return document, warnings
    place = str(document.place("extends"))
    if alone:
        hint = "a run writes the whole file there; run a file of your own to write it anew"
        raise SpecError(Problem("a file in a results folder extends no other", place, "extends", hint=hint))
    stack = (*stack, path.resolve())
    merged: Document | None = None
    for name in _files(extends, place):
        parent = path.parent / name
        _check_parent(parent, stack, place, name)
        below_it, more = layered(parent, stack)
        below_it.tree.pop("name", None)
        merged = below_it if merged is None else merge(merged, below_it)
        warnings += more
    assert merged is not None
    return merge(merged, document), warnings


def flat(document: Document) -> Document:
    """Dotted names instead of nested ones in base, parameters and configs. Raises SpecError for names that clash."""
    problems: list[Problem] = []
    tree = dict(document.tree)
    if isinstance(tree.get("base"), dict):
        tree["base"] = _flat_settings(document, tree["base"], "base", problems)
    if isinstance(tree.get("parameters"), dict):
        tree["parameters"] = _flat_parameters(document, tree["parameters"], "parameters", "parameters", problems)
    if isinstance(tree.get("configs"), list):
        tree["configs"] = [
            _flat_settings(document, config, f"configs[{index}]", problems) if isinstance(config, dict) else config
            for index, config in enumerate(tree["configs"])
        ]
    if problems:
        raise SpecError(*problems)
    return Document(tree, document.places)


def merge(older: Document, newer: Document) -> Document:
    """The newer document onto the older: mappings key by key, all else replaced, null takes a key out."""
    tree = dict(older.tree)
    for key, value in newer.tree.items():
        if value is None:
            tree.pop(key, None)
        elif key == "parameters" and isinstance(value, dict) and isinstance(tree.get(key), dict):
            tree[key] = _merged_parameters(tree[key], value)
        elif key == "base" and isinstance(value, dict) and isinstance(tree.get(key), dict):
            tree[key] = {**tree[key], **value}
        else:
            tree[key] = _merged(tree.get(key), value)
    _move_between_sections(tree, newer.tree)
    return Document(tree, {**older.places, **newer.places})


def _anchored(document: Document, path: Path) -> Document:
    """Reference tables under absolute paths: the effective file is read again from elsewhere."""
    claims = document.tree.get("expect")
    for claim in claims if isinstance(claims, list) else []:
        against = claim.get("against") if isinstance(claim, dict) else None
        if isinstance(against, dict) and isinstance(against.get("table"), str):
            against["table"] = os.path.abspath(path.parent / against["table"])  # noqa: PTH100  (keeps symbolic links)
    return document


def _merged(older: Tree, newer: Tree) -> Tree:
    if not isinstance(older, dict) or not isinstance(newer, dict):
        return newer
    if "type" in newer and newer["type"] != older.get("type"):
        return newer
    merged = {**older, **{key: _merged(older.get(key), value) for key, value in newer.items()}}
    return {key: value for key, value in merged.items() if value is not None or key not in newer}


_KEPT = ("when", "label", "short")  # whatever the kind of a parameter


def _merged_parameters(older: dict[str, Tree], newer: dict[str, Tree]) -> dict[str, Tree]:
    """Parameters by name. One that changes its kind (values to a range, say) keeps its `when` and its labels."""
    merged = dict(older)
    for name, keys in newer.items():
        if keys is None:
            merged.pop(name, None)
        elif isinstance(keys, dict) and isinstance(merged.get(name), dict):
            before = merged[name]
            same = _kind(keys) in (None, _kind(before)) and "values" not in keys and "distribution" not in keys
            kept = before if same else {key: value for key, value in before.items() if key in _KEPT}
            merged[name] = {
                key: value for key, value in {**kept, **keys}.items() if value is not None or key == "value"
            }
        else:
            merged[name] = keys
    return merged


def _kind(keys: dict[str, Tree]) -> int | None:
    return next((index for index, group in enumerate(_KINDS) if any(key in keys for key in group)), None)


def _move_between_sections(tree: dict[str, Any], newer: dict[str, Any]) -> None:
    """What the newer file fixes is no longer varied; what it varies is no longer fixed."""
    base, parameters = tree.get("base"), tree.get("parameters")
    if not isinstance(base, dict) or not isinstance(parameters, dict):
        return
    fixed, varied = newer.get("base") or {}, newer.get("parameters") or {}
    if isinstance(fixed, dict) and isinstance(varied, dict):
        tree["parameters"] = {n: keys for n, keys in parameters.items() if n not in fixed or n in varied}
        tree["base"] = {n: value for n, value in base.items() if n not in varied or n in fixed}


def _flat_settings(document: Document, settings: dict[str, Tree], at: str, problems: list[Problem]) -> dict[str, Tree]:
    flattened: dict[str, Tree] = {}

    def descend(mapping: dict[str, Tree], prefix: str) -> None:
        for key, value in mapping.items():
            name = f"{prefix}.{key}" if prefix else key
            if isinstance(value, dict) and value:
                descend(value, name)
            else:
                _add(document, flattened, name, value, f"{at}.{name}", problems)

    descend(settings, "")
    return flattened


def _flat_parameters(
    document: Document, parameters: dict[str, Tree], at: str, written: str, problems: list[Problem]
) -> dict[str, Tree]:
    """Parameters under dotted names; `at` is their flat path, `written` the one in the file (with W&B's nesting)."""
    flattened: dict[str, Tree] = {}
    for key, keys in parameters.items():
        path, source = below(at, key), below(written, key)
        if isinstance(keys, dict) and isinstance(keys.get("parameters"), dict):
            if len(keys) > 1:
                found = ", ".join(name for name in keys if name != "parameters")
                problems.append(
                    Problem("a group of parameters has no other keys", str(document.place(source)), path, found)
                )
            group = _flat_parameters(document, keys["parameters"], path, below(source, "parameters"), problems)
            for name, inner in group.items():
                _add(document, flattened, f"{key}.{name}", inner, f"{path}.{name}", problems)
            continue
        if path != source:
            _move_places(document, source, path)
        _add(document, flattened, key, keys, path, problems)
    return flattened


def _add(doc: Document, flattened: dict[str, Tree], name: str, value: Tree, key: str, problems: list[Problem]) -> None:
    place = str(doc.place(key))
    if not SETTING_NAME.fullmatch(name):
        problems.append(Problem("not a name of a setting", place, key[:80], found=excerpt(name), allowed=NAMES_ALLOWED))
    elif name in flattened:
        problems.append(Problem("given twice, nested and dotted", place, key, allowed="once"))
    flattened[name] = value


def _move_places(document: Document, source: str, path: str) -> None:
    moved = {key: place for key, place in document.places.items() if key == source or above_is(key, source)}
    document.places.update({path + key[len(source) :]: place for key, place in moved.items()})


def above_is(key: str, ancestor: str) -> bool:
    """Whether a dotted path lies below another."""
    return key.startswith(ancestor) and key[len(ancestor) : len(ancestor) + 1] in (".", "[")


def _files(extends: Tree, place: str) -> list[str]:
    names = [extends] if isinstance(extends, str) else extends
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        allowed = "a file, or a list of files"
        raise SpecError(Problem("not a file to extend", place, "extends", found=excerpt(extends), allowed=allowed))
    return names


def _check_parent(parent: Path, stack: tuple[Path, ...], place: str, name: str) -> None:
    if "\0" in name:
        raise SpecError(Problem("not a file name", place, "extends", found=excerpt(name)))
    if parent.resolve() in stack:
        circle = " -> ".join(os.path.relpath(file, stack[0].parent) for file in (*stack, parent.resolve()))
        raise SpecError(Problem("files extend one another in a circle", place, "extends", found=circle))
    if len(stack) >= MAX_FILES:
        raise SpecError(Problem("too many files extend one another", place, "extends", allowed=f"at most {MAX_FILES}"))
    if not parent.exists():
        near = did_you_mean(parent.name, [file.name for file in parent.parent.glob("*.y*ml")])
        raise SpecError(Problem("no such file", place, "extends", found=str(parent), hint=near))
