"""What a trainer declares of itself, as attributes of its function: settings, metrics, data, what a pack shares.

And whether it can be called as `function(params, report)`, judged without calling it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeper.errors import Problem, UsageError, excerpt, nearest
from sweeper.trial import Params, Value, canonical_json

MOST_NAMES = 24  # in a hint
OFFERED = ("directory", "checkpoint")  # given by name to a trainer that takes them
TrainFunction = Callable[..., Mapping[str, float] | None]


def declared(function: TrainFunction, attribute: str, name: str) -> Mapping[str, Any] | None:
    value = getattr(function, attribute, None)
    if value is None or isinstance(value, Mapping):
        return value
    raise UsageError(
        Problem(f"its `{attribute}` must be a mapping of names", "", f"trainer {name}", type(value).__name__)
    )


def declared_added(function: TrainFunction, defaults: Params | None, name: str) -> Params:
    added = declared(function, "added", name) or {}
    if strange := [setting for setting in added if defaults is not None and setting not in defaults]:
        problem = "its `added` must name settings of its `parameters`"
        raise UsageError(Problem(problem, "", f"trainer {name}", ", ".join(strange), ", ".join(defaults or ())))
    return added


def declared_names(function: TrainFunction, attribute: str, name: str) -> tuple[str, ...]:
    value = getattr(function, attribute, ())
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise UsageError(Problem(f"its `{attribute}` must be a list of names", "", f"trainer {name}", repr(value)))
    return tuple(value)


def declared_shape(function: TrainFunction, name: str) -> Callable[[Params], str]:
    """What members of a pack agree in: the settings that the trainer names in `fixed`."""
    fixed = declared_names(function, "fixed", name)
    return lambda params: canonical_json({setting: params.get(setting) for setting in fixed})


def declared_check(defaults: Params | None) -> Callable[[Params], list[Problem]]:
    """The check that declared defaults allow: names, and the kind of value that each default is."""

    def check(params: Params) -> list[Problem]:
        if defaults is None:
            return []
        problems = [unknown_setting(key, defaults) for key in params if key not in defaults]
        kinds = {key: _kind(defaults[key]) for key in params if defaults.get(key) is not None}
        wrong = [key for key, kind in kinds.items() if _kind(params[key]) != kind]
        return problems + [
            value_not_allowed(key, params[key], f"{kinds[key]}, as its default {defaults[key]!r}") for key in wrong
        ]

    return check


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = ((int | float, "a number"), (str, "text"), (dict, "a mapping"))
    return next((text for kind, text in kinds if isinstance(value, kind)), "a list")


def unknown_setting(key: str, known: Params) -> Problem:
    """The nearest names, those of the same section, or the sections where there are many names."""
    near = nearest(key, known)
    section = key.partition(".")[0] + "."
    names = sorted(name for name in known if name.startswith(section)) or sorted(known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(_or_sections(names, '.'))}"
    return Problem("the trainer has no such setting", key=key, hint=hint)


def unknown_metric(key: str, where: str, name: str, known: Sequence[str]) -> Problem:
    """The nearest names, or all of them, sections where there are many."""
    near = nearest(name, known)
    hint = f"it reports {', '.join(near or _or_sections(known, '/'))}"
    return Problem("the trainer reports no such metric", where, key, name, hint=hint)


def _or_sections(names: Sequence[str], end: str) -> Sequence[str]:
    """The names; of many only those that are in no section, and the sections."""
    if len(names) <= MOST_NAMES:
        return names
    return list(dict.fromkeys(f"{name.partition(end)[0]}{end}*" if end in name else name for name in names))


def value_not_allowed(key: str, found: object, allowed: str) -> Problem:
    """A text is shown longer than other values: it may be what is wrong with a file."""
    shown = excerpt(found, 300 if isinstance(found, str) else 60)
    return Problem("the trainer does not take this value", "", key, shown, allowed)


def objection(function: Callable[..., object]) -> tuple[str, str]:
    """Why a trainer would fail in every trial, and a hint; ("", "") where it can be called."""
    call = inspect.unwrap(function) if inspect.isroutine(function) else type(function).__call__
    if isinstance(function, type):
        return "a class is no trainer", "write a function that makes the object and trains it"
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        return "an async function is no trainer: calling it trains nothing", "call asyncio.run(...) in a plain function"
    if inspect.isgeneratorfunction(call):
        return "a generator is no trainer: calling it trains nothing", "call report(step, metrics) instead of yield"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions of C do not tell
        return "", ""
    try:
        signature.bind(None, None, **{name: None for name in OFFERED if name in signature.parameters})
    except TypeError as error:
        hint = "a trainer takes its settings and report by position; one that parses a command line needs a wrapper"
        return f"it cannot be called as function(params, report): {error}, its signature is {signature}", hint
    return "", ""
