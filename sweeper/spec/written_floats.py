"""Where the values of a setting are written as floats: 1.0 is one although it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sweeper.spec.space.parameters import domain
from sweeper.trial import Value

if TYPE_CHECKING:
    from sweeper.spec.schema import SweepKeys

FloatPlaces = dict[str, Any]  # "" for the value itself, "[]" for items of a list, ".KEY" for those of a mapping


def float_places(values: Iterable[object]) -> FloatPlaces:
    """The places at which any of these values of one setting is a float; all items of a list are one place."""
    inner: dict[str, list[object]] = {}
    found: FloatPlaces = {}
    for value in values:
        if isinstance(value, float):
            found[""] = {}
        elif isinstance(value, list | tuple):
            inner.setdefault("[]", []).extend(value)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                inner.setdefault(f".{key}", []).append(item)
    return found | {place: below for place, items in inner.items() if (below := float_places(items))}


def floats(keys: SweepKeys, written: Mapping[str, Any]) -> dict[str, FloatPlaces]:
    """The settings that are floats somewhere, and where within their values.

    `written` is the file before overrides: `lr=1` on the command line is the 1.0 of its `values: [0.5, 1.0]`.
    """
    values: dict[str, list[object]] = {name: [value] for name, value in keys.base.items()}
    parameters = written.get("parameters")
    for name, given in parameters.items() if isinstance(parameters, Mapping) else ():
        if isinstance(given, Mapping):
            values.setdefault(name, []).extend([given.get(key) for key in ("value", "min", "max")])
            values[name].extend(given["values"] if isinstance(given.get("values"), list) else [])
    for config in keys.configs:
        for name, value in config.items():
            values.setdefault(name, []).append(value)
    for name, parameter in keys.parameters.items():
        given = parameter.given
        if "value" in given or "values" in given:
            values.setdefault(name, []).extend([given["value"]] if "value" in given else given["values"])
        elif not getattr(domain(given), "integer", False):  # a continuous range or distribution
            values.setdefault(name, []).append(0.0)
    return {name: places for name, seen in values.items() if (places := float_places(seen))}


def with_floats(value: Value, places: FloatPlaces | None) -> Value:
    """The value with whole numbers as floats at these places."""
    if not places:
        return value
    if isinstance(value, list):
        return [with_floats(item, places.get("[]")) for item in value]
    if isinstance(value, dict):
        return {key: with_floats(item, places.get(f".{key}")) for key, item in value.items()}
    return float(value) if "" in places and type(value) is int else value
