"""What `sweeper add` added to a running sweep: values, seeds and configurations beyond those of its file.

They belong to the file as it was run. While it stays as it is, a plan has them; an edited file lists by itself what it
wants, and a plan of it warns of what it leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweeper.errors import Problem, SpecError
from sweeper.ledger.chain import digest
from sweeper.ledger.history import History
from sweeper.spec.document import Tree, parse
from sweeper.spec.load import load_text
from sweeper.spec.overrides import values_of
from sweeper.spec.space.domains import Choice
from sweeper.spec.sweep import Sweep
from sweeper.trial import canonical
from sweeper.value_text import plural

Settings = Mapping[str, str]


def file_digest(sweep: Sweep) -> str:
    """Which file additions belong to: 16 hex digits over its text, with what the command line changed."""
    return digest(sweep.text.encode())[:16]


def widened(sweep: Sweep, additions: Sequence[Settings]) -> Sweep:
    """The sweep of a file with what was added to it, one after the other. Raises SpecError for what cannot be added.

    Its text stays that of the file.
    """
    if not additions:
        return sweep
    if sweep.looks:
        found = "seeds: {start, max, until: decided}"
        raise SpecError(Problem("the plan of looks cannot be added to while it runs", key="seeds", found=found))
    if sweep.method not in ("grid", "list"):
        hint = "stop the run, edit the file and run it again"
        if sweep.budget.trials is not None:
            hint = "of a search `sweeper set SWEEP budget.trials=N` makes more"
        raise SpecError(Problem("only a grid or a list can be added to", key="method", found=sweep.method, hint=hint))
    known: dict[str, list[Tree]] = {}
    for settings in additions:
        for key, text in settings.items():
            values = known.setdefault(key, _known(sweep, key))
            values += [value for value in _given(key, text, values) if not _holds(values, value)]
    overrides = [_override(key, values) for key, values in known.items()]
    wide = load_text(sweep.text, sweep.source, overrides)
    return replace(sweep, space=wide.space, seeds=wide.seeds, configs=wide.configs, floats=wide.floats)


def with_earlier(sweep: Sweep, own: History) -> tuple[Sweep, tuple[Problem, ...]]:
    """The sweep of a file with what was added to it in earlier runs, and a warning of what another file would have."""
    ours = [one.settings for one in own.additions if one.file == file_digest(sweep)]
    others = [one for one in own.additions if one.file != file_digest(sweep)]
    left_out = {key for one in others for key in one.trials if key in own.records}
    warnings: tuple[Problem, ...] = ()
    if others:
        hint = "write into the file what you want to keep: " + "; ".join(_words(one.settings) for one in others)
        message = f"{plural(len(left_out), 'trial')} added to an earlier version of the file, and not part of this one"
        warnings = (Problem(message, sweep.place("parameters"), hint=hint),)
    return widened(sweep, ours), warnings


def _words(settings: Settings) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def _known(sweep: Sweep, key: str) -> list[Tree]:
    """What the file has under a key that can be added to."""
    if key == "seeds":
        return list(sweep.seeds)
    if key == "configs":
        if sweep.method != "list":
            raise _refused(key, "only a sweep of method: list has configurations", f"method: {sweep.method}")
        return list(parse(sweep.text, str(sweep.source)).tree["configs"])  # as written: 1.0 is a float
    parameter = next((one for one in sweep.space.parameters if one.name == key), None)
    names = [one.name for one in sweep.space.parameters if isinstance(one.domain, Choice)]
    if parameter is None or sweep.method == "list":
        allowed = "configs, seeds" if sweep.method == "list" else ", ".join([*names, "seeds"])
        raise _refused(key, "does not vary in this sweep", key, allowed)
    if not isinstance(parameter.domain, Choice):
        raise _refused(key, "has a range, to which no value can be added", key, ", ".join([*names, "seeds"]))
    return list(parameter.domain.values)


def _given(key: str, text: str, known: Sequence[Tree]) -> list[Tree]:
    """The values of one addition; a single whole number of seeds is how many there are to be, as in a file."""
    values = values_of(key, text)
    if len(values) == 1 and isinstance(values[0], list) and not any(isinstance(value, list) for value in known):
        values = values[0]
    elif key == "seeds" and len(values) == 1 and isinstance(values[0], int):
        values = list(range(values[0]))
    return values


def _holds(known: Sequence[Tree], value: Tree) -> bool:
    """Whether a value is there: 1 and 1.0 are one value, and true is none of them."""
    return json.dumps(canonical(value)) in {json.dumps(canonical(one)) for one in known}


def _override(key: str, values: Sequence[Tree]) -> str:
    name = key if key in ("seeds", "configs") else f"parameters.{key}.values"
    return f"{name}={json.dumps(values)}"


def _refused(key: str, message: str, found: str, allowed: str = "") -> SpecError:
    return SpecError(Problem(message, key=key, found=found, allowed=allowed))
