"""The keys of the sweep file as a Markdown table, made from the schema: the README's table is checked against it."""

from __future__ import annotations

import json
from typing import Any

from sweeper.spec.schema import json_schema
from sweeper.spec.validation import Schema, describe, resolved


def key_table() -> str:
    """One row a key: its dotted path, what is allowed, the default, the meaning."""
    rows = ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    for name, node in json_schema()["properties"].items():
        if node.get("deprecated"):
            continue
        rows.append(_row(name, node))
        rows += [_row(f"{name}{mark}.{inner}", child) for mark, inner, child in _children(node)]
    return "\n".join(rows) + "\n"


def _children(node: Schema) -> list[tuple[str, str, Schema]]:
    """The keys below a section, a list of sections, or a mapping from names to sections."""
    inner = resolved(node)
    for branch in [inner, *inner.get("anyOf", [])]:
        section = resolved(branch)
        for mark, child in (
            ("", section),
            ("[]", section.get("items")),
            (".NAME", section.get("additionalProperties")),
        ):
            properties = resolved(child).get("properties") if isinstance(child, dict) else None
            if properties:
                return [(mark, name, value) for name, value in properties.items()]
    return []


def _row(key: str, node: Schema) -> str:
    allowed = describe(node) or "any value"
    if _children(node):
        allowed = {"object": "a mapping", "array": "a list"}.get(str(resolved(node).get("type")), "see below")
    return f"| `{key}` | {_cell(allowed)} | {_default(node)} | {_cell(node.get('description', ''))} |"


def _default(node: Schema) -> str:
    default: Any = node.get("default")
    return "" if default in (None, [], {}, "") else f"`{json.dumps(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
