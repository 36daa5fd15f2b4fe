"""The JSON Schema in words: what may stand at a path of the sweep file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sweeper.spec.schema import json_schema

Schema = dict[str, Any]


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
    alternatives = [branch for branch in node.get("anyOf", []) if branch.get("type") != "null"]
    return resolved(alternatives[0]) if len(alternatives) == 1 else node


def describe(node: Schema) -> str:
    """What a part of the schema allows, in words."""
    node = resolved(node)
    if "anyOf" in node:
        return ", or ".join(dict.fromkeys(describe(branch) for branch in node["anyOf"] if branch.get("type") != "null"))
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
    words = {"string": "a text", "boolean": "true or false", "null": "null"}
    return "30m, 2h, 1h30m" if "pattern" in node else words.get(str(node.get("type")), "")


def _bounds(node: Schema) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    found = [f"{word} {node[key]:g}" for key, word in words.items() if key in node and abs(node[key]) < 1e9]
    return (" " + " and ".join(found)) if found else ""
