"""What pydantic finds wrong, in the words of a sweep file: place, key, found, allowed, did-you-mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from sweeper.errors import Problem, SpecError, did_you_mean, excerpt
from sweeper.spec.document import Document, below
from sweeper.spec.schema import SweepKeys, json_schema
from sweeper.spec.space.parameters import Complaint

Schema = dict[str, Any]


MEANT = {  # a near word may mean the opposite: lower, and not_lower
    **dict.fromkeys(("lower", "smaller", "below", "decrease"), "less"),
    **dict.fromkeys(("higher", "larger", "more", "above", "increase"), "greater"),
    **dict.fromkeys(("not_less", "not_smaller", "not_below"), "not_lower"),
    **dict.fromkeys(("not_greater", "not_larger", "not_more", "not_above"), "not_higher"),
}
_HIDDEN = ("[key]", "[list]", "[keys]")  # pydantic's own words in a path


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
    hint, bound, found = _hint(error["input"], loc), _bound(error.get("ctx", {})), excerpt(error["input"])
    if kind in ("too_long", "too_short") and error["input"]:
        found = f"{len(error['input'])} entries"
    allowed = describe(node)
    if bound not in allowed:
        allowed = f"{allowed}, {bound}"
    return Problem(_message(kind), place, key, found=found, allowed=allowed, hint=hint)


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


def _bound(context: dict[str, Any]) -> str:
    """The bound that pydantic found broken, in words; "" where it names none."""
    size = "characters" if "field_type" not in context else "entries"
    phrases = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    phrases |= {"min_length": "at least", "max_length": "at most"}
    for name, word in phrases.items():
        if name in context:
            bound = context[name]
            number = f"{bound:g}" if isinstance(bound, float) else str(bound)
            return f"{word} {number}" + (f" {size}" if name.endswith("length") else "")
    return ""


def _hint(found: Any, loc: Sequence[str | int]) -> str:
    if isinstance(found, str) and (hint := number_hint(found)):
        return hint
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
    if loc == ("budget",):
        kind = "wall" if isinstance(found, str) else "trials"
        return f"budget: {{{kind}: {found}}}"
    if isinstance(found, str):
        words = list(resolved(node_at(loc)).get("enum", []))
        if (meant := MEANT.get(found.lower())) in words:
            return f"did you mean {meant}?"
        begun = [word for word in words if found and word.startswith(found.lower())]
        return f"did you mean {begun[0]}?" if len(begun) == 1 else did_you_mean(found.lower(), words)
    return ""


def _hint_for(loc: Sequence[str | int]) -> str:
    if len(loc) == 3 and loc[0] == "parameters":
        return f"a nested parameter is written {loc[1]}.{loc[2]}: or below parameters:"
    return "a parameter goes below parameters:, a fixed setting below base:" if len(loc) == 1 else ""


def _key(document: Document, loc: Sequence[str | int]) -> str:
    """The dotted path as the file has it: `metric.goal`, though the models see a list of metrics."""
    key = ""
    for part in loc:
        longer = below(key, part)
        if isinstance(part, int) and longer not in document.places:
            continue
        key = longer
    return key


def node_at(loc: Sequence[str | int]) -> Schema:
    """The part of the JSON Schema that describes a path; {} where it ends."""
    node: Schema = json_schema()
    for part in loc:
        node = _step(node, part)
    return node


def _step(node: Schema, part: str | int) -> Schema:
    for branch in _branches(node):
        if isinstance(part, int) and "items" in branch:
            return dict(branch["items"])
        if isinstance(part, str) and part in branch.get("properties", {}):
            return dict(branch["properties"][part])
        if isinstance(part, str) and isinstance(branch.get("additionalProperties"), dict):
            return dict(branch["additionalProperties"])
    return {}


def _branches(node: Schema) -> list[Schema]:
    node = resolved(node)
    return [node, *(inner for branch in node.get("anyOf", []) for inner in _branches(branch))]


def resolved(node: Schema) -> Schema:
    """The node behind a $ref, or the one alternative that is not null."""
    while "$ref" in node:
        node = json_schema()["$defs"][node["$ref"].rpartition("/")[2]]
    alternatives = [branch for branch in (node.get("anyOf") or node.get("oneOf") or []) if branch.get("type") != "null"]
    return resolved(alternatives[0]) if len(alternatives) == 1 else node


def describe(node: Schema) -> str:
    """What a part of the schema allows, in words."""
    node = resolved(node)
    if branches := node.get("anyOf", node.get("oneOf")):
        return ", or ".join(dict.fromkeys(describe(branch) for branch in branches if branch.get("type") != "null"))
    if "const" in node or "enum" in node:
        return ", ".join(str(word) for word in node.get("enum", [node.get("const")]))
    if node.get("type") in ("integer", "number"):
        return ("a whole number" if node["type"] == "integer" else "a number") + _bounds(node)
    if node.get("type") == "array":
        few, most = node.get("minItems"), node.get("maxItems")
        size = f" of {few}" if few and few == most else f" of at least {few}" if few else ""
        return f"a list{size}" + (f" ({describe(node['items'])})" if node.get("items") else "")
    if node.get("type") == "object":
        names = ", ".join(sorted(node.get("properties", {})))
        return f"a mapping with {names}" if names else "a mapping"
    types = {"string": "a text", "boolean": "true or false", "null": "null"}
    return "30m, 2h, 1h30m" if "pattern" in node else types.get(str(node.get("type")), "")


def _bounds(node: Schema) -> str:
    phrases = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    found = [f"{word} {node[key]:g}" for key, word in phrases.items() if key in node and abs(node[key]) < 1e9]
    return (" " + " and ".join(found)) if found else ""


def number_hint(text: str) -> str:
    """How a text that other readers take for a number is written as one; "" for any other text.

    >>> number_hint("1_000"), number_hint("1e-3"), number_hint("nan"), number_hint("one")
    ('write 1000: in YAML 1.2 a number has no _', 'write 1e-3 without quotes', 'a number must be finite', '')
    """
    plain = text.strip()
    try:
        is_finite = math.isfinite(float(plain))
    except ValueError:
        return ""
    if not is_finite:
        return "a number must be finite"
    if "_" in plain:
        return f"write {plain.replace('_', '')}: in YAML 1.2 a number has no _"
    return f"write {plain} without quotes"
