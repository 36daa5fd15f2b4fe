"""Writes a tree as YAML that reads back to the same values: block style for two levels, flow style below."""

from __future__ import annotations

import json
import re

from sweeper.spec.document import Tree, scalar

_TEXT = """\
# yaml-language-server: $schema=./sweeper.schema.json
# Written by `sweeper init`. Try: sweeper plan FILE, then sweeper run FILE
name: {name:<25} # the folder in results/, the experiment in MLflow
description: the question of this sweep, in one sentence
trainer: cvae                   # the bundled one, or yours: module:function

base:                           # trainer settings that do not vary
  train.steps: 1000

method: grid                    # list, random, qmc, tpe, gp, cmaes or nsga2
metric: {{name: alignment, goal: maximize}}

parameters:                     # what varies; bounds are inclusive
  loss.beta: {{values: [0.5, 1]}}
  loss.inter_latent_divergence_weight: {{values: [0, 1]}}
  # train.learning_rate: {{min: 1e-4, max: 1e-2, log: true, points: 4}}

# where: ["loss.beta <= 4"]     # keep only these combinations
seeds: 2                        # per configuration; or a list of them
# budget: {{trials: 200, wall: 2h, device_hours: 4}}
# resources: {{gpu: auto, cpu: 1, pack: auto, max_concurrent: auto}}

# expect:                       # claims, which `sweeper verify` checks
#   - name: jsd helps
#     metric: alignment
#     compare: {{loss.inter_latent_divergence_weight: [1, 0]}}
#     effect: greater
"""


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


def starter(name: str = "sweep") -> str:
    """The text of a new sweep file. Raises Complaint for a name that cannot be a folder."""
    from sweeper.spec.fields import folder_name

    return _TEXT.format(name=word(folder_name(name)))
