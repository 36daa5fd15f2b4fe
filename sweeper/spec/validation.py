"""What pydantic finds wrong, in the words of a sweep file: place, key, found, allowed, did-you-mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from sweeper.errors import Problem, SpecError
from sweeper.spec.document import Document, below
from sweeper.spec.schema import SweepKeys
from sweeper.spec.schema_words import describe, node_at, resolved
from sweeper.spec.space.parameters import Complaint
from sweeper.wording import did_you_mean, excerpt

_HIDDEN = ("[key]",)  # pydantic's own words in a path


def validated(document: Document) -> SweepKeys:
    """The keys of a document. Raises SpecError with every problem that the models find."""
    try:
        return SweepKeys.model_validate(document.tree)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise SpecError(*(_problem(document, dict(item)) for item in errors)) from None


def _problem(document: Document, error: dict[str, Any]) -> Problem:
    loc = tuple(part for part in error["loc"] if part not in _HIDDEN)
    key = _key(document, loc)
    kind, node = error["type"], node_at(loc)
    complaint = error.get("ctx", {}).get("error")
    if isinstance(complaint, Complaint):
        return _complaint(document, key, complaint.problem, error["input"])
    place = str(document.place(key))
    if kind == "value_error":
        return Problem(str(complaint), place, key, found=excerpt(error["input"]))
    if kind == "extra_forbidden":
        known = sorted(resolved(node_at(loc[:-1])).get("properties", {}))
        near = did_you_mean(str(loc[-1]), known)
        allowed = "" if near and len(known) > 12 else ", ".join(known)
        return Problem("unknown key", place, key, allowed=allowed, hint=near or _hint_for(loc))
    if kind == "missing":
        return Problem(f"{loc[-1]} is missing", place, key.rpartition(".")[0], allowed=describe(node))
    hint = _hint(error["input"], loc)
    return Problem(_message(kind), place, key, found=excerpt(error["input"]), allowed=describe(node), hint=hint)


def _complaint(document: Document, key: str, problem: Problem, found: Any) -> Problem:
    key = f"{key}.{problem.key}" if problem.key else key
    shown = problem.found or (excerpt(found) if not isinstance(found, dict) else "")
    return Problem(problem.message, str(document.place(key)), key, shown, problem.allowed, problem.hint)


def _message(kind: str) -> str:
    if kind == "literal_error":
        return "not one of the words that go here"
    if kind.endswith(("_type", "_parsing", "int_from_float")):
        return "the wrong type of value"
    return "out of bounds"


def _hint(found: Any, loc: Sequence[str | int]) -> str:
    if isinstance(found, str) and _is_number(found):
        return f"write {found.strip()} without quotes"
    if isinstance(found, int | float) and not isinstance(found, bool) and describe(node_at(loc)) == "a text":
        return f'write "{found}"'
    if found in ("yes", "on", "no", "off") and describe(node_at(loc)) == "true or false":
        return "write true or false: in YAML 1.2 yes, no, on and off are texts"
    if len(loc) == 2 and loc[0] == "parameters":
        listed = isinstance(found, list)
        return f"{loc[1]}: {{{'values' if listed else 'value'}: {excerpt(found)}}}"
    if loc[0] in ("where", "constraints") and isinstance(found, str):
        return f"{loc[0]}: [{excerpt(found)}]"
    if loc == ("early_terminate",):
        return f"early_terminate: {{type: {excerpt(found)}}}"
    if found == "custom" and loc == ("method",):
        return "method: tpe is the one that Optuna uses by default"
    if isinstance(found, str):
        return did_you_mean(found, resolved(node_at(loc)).get("enum", []))
    return ""


def _hint_for(loc: Sequence[str | int]) -> str:
    if len(loc) == 3 and loc[0] == "parameters":
        return f"a nested parameter is written {loc[1]}.{loc[2]}: or below parameters:"
    return "a parameter goes below parameters:, a fixed setting below base:" if len(loc) == 1 else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _key(document: Document, loc: Sequence[str | int]) -> str:
    """The dotted path as the file has it: `metric.goal`, though the models see a list of metrics."""
    key = ""
    for part in loc:
        longer = below(key, part)
        if isinstance(part, int) and longer not in document.places:
            continue
        key = longer
    return key
