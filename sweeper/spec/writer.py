"""Writes a tree as YAML that reads back to the same values: block style for two levels, flow style below."""

from __future__ import annotations

import json
import re

from sweeper.spec.document import Tree, scalar

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_BLOCKS = ("parameters", "base", "where", "constraints", "expect", "configs", "zip", "metric")


def dump(tree: dict[str, Tree]) -> str:
    """The text of a sweep file."""
    lines: list[str] = []
    for key, value in tree.items():
        if key in _BLOCKS and isinstance(value, dict) and value:
            lines += [f"{word(key)}:", *(f"  {word(name)}: {flow(item)}" for name, item in value.items())]
        elif key in _BLOCKS and isinstance(value, list) and value:
            lines += [f"{word(key)}:", *(f"  - {flow(item)}" for item in value)]
        else:
            lines.append(f"{word(key)}: {flow(value)}")
    return "\n".join(lines) + "\n"


def flow(value: Tree) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return word(value) if isinstance(value, str) else json.dumps(value)


def word(text: str) -> str:
    """A text: bare where it can only be read as that text, else in double quotes."""
    if _PLAIN.fullmatch(text) and isinstance(scalar(text), str):
        return text
    return _NOT_PRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(text, ensure_ascii=False))
