"""The configuration object of a program, made from the settings of a trial: the inverse of `parameters_of`."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar, overload

from sweeper.errors import Problem, UsageError, did_you_mean
from sweeper.trainer.config_classes import fields_of
from sweeper.trial import Value

T = TypeVar("T")
_MISSING = dataclasses.MISSING


@overload
def config_from(config: argparse.ArgumentParser, params: Mapping[str, Value]) -> argparse.Namespace: ...
@overload
def config_from(config: type[T], params: Mapping[str, Value]) -> T: ...
@overload
def config_from(config: T, params: Mapping[str, Value]) -> T: ...
def config_from(config: Any, params: Mapping[str, Value]) -> Any:
    """The configuration of a trial: an object as `config` makes or is, with the settings in `params`.

    `config` is what `parameters_of` takes: a class or an object of dataclasses or pydantic, an ArgumentParser (which
    makes a Namespace) or a Namespace, an OmegaConf configuration, or a mapping. Dotted names go to nested objects;
    enumerations, paths and tuples become what the annotation or the default is. What `params` does not hold keeps its
    default; `seed` goes to a field of that name, where there is one. Raises UsageError for a setting that the
    configuration does not have, and for values that it refuses.

    >>> @dataclasses.dataclass
    ... class Optimizer:
    ...     lr: float = 0.1
    >>> @dataclasses.dataclass
    ... class Config:
    ...     width: int = 64
    ...     optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    >>> config_from(Config, {"width": 32, "optimizer.lr": 1, "seed": 3})
    Config(width=32, optimizer=Optimizer(lr=1.0))
    """
    settings = dict(params)
    known = _known(config)
    if "seed" in settings and known is not None and "seed" not in known:
        del settings["seed"]
    try:
        return _made(config, settings, "")
    except UsageError:
        raise
    except Exception as error:  # the class's own code: pydantic's ValidationError, what __post_init__ raises
        raise _refused(f"the configuration refuses these settings: {error}", config) from error


def _made(config: Any, settings: Mapping[str, Any], at: str) -> Any:
    """An object as `config` with settings of its level and of those below it."""
    if type(config).__module__.partition(".")[0] == "omegaconf":
        return _omegaconf(config, settings, at)
    known, hints = _known(config), _hints(config)
    if known is None:
        raise _refused("no configuration can be made of this", config, key=at)
    values: dict[str, Any] = {}
    for name, value in settings.items():
        top = next((field for field in known if name == field or name.startswith(f"{field}.")), None)
        if top is None:
            full = f"{at}{name}"
            raise _refused("the configuration has no such setting", config, full, did_you_mean(name, list(known)))
        if top == name:
            values[name] = _converted(value, hints.get(name), known[name])
    for field, default in known.items():
        inner = {n.removeprefix(f"{field}."): v for n, v in settings.items() if n.startswith(f"{field}.")}
        if inner:
            template = default if default is not _MISSING and default is not None else _class_of(hints.get(field))
            values[field] = _made(template, inner, f"{at}{field}.")
    return _object(config, known, values)


def _known(config: Any) -> Mapping[str, Any] | None:
    """The fields of one level and their defaults, _MISSING for none; None for what has no fields."""
    if isinstance(config, type) and dataclasses.is_dataclass(config):
        return {field.name: _default(field) for field in dataclasses.fields(config)}
    if isinstance(config, type) and hasattr(config, "model_fields"):
        fields: Mapping[str, Any] = config.model_fields
        return {
            name: _MISSING if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in fields.items()
        }
    if isinstance(config, argparse.Namespace):
        return vars(config)
    return fields_of(config)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not _MISSING else field.default


def _hints(config: Any) -> Mapping[str, Any]:
    kind = config if isinstance(config, type) else type(config)
    try:
        return typing.get_type_hints(kind)
    except Exception:  # annotations that name what is imported for type checkers only
        return {}


def _object(config: Any, known: Mapping[str, Any], values: dict[str, Any]) -> Any:
    if isinstance(config, argparse.ArgumentParser | argparse.Namespace):
        return argparse.Namespace(**{**known, **values})
    if isinstance(config, Mapping):
        return {**known, **values}
    kind: Any = config if isinstance(config, type) else type(config)
    given = values if isinstance(config, type) else {**known, **values}
    if dataclasses.is_dataclass(kind):
        taken = {field.name for field in dataclasses.fields(kind) if field.init}
        make: Any = kind
        return make(**{name: value for name, value in given.items() if name in taken})
    return kind.model_validate(given, by_name=True)


def _omegaconf(config: Any, settings: Mapping[str, Any], at: str) -> Any:
    from omegaconf import OmegaConf, read_write  # type: ignore[import-not-found,unused-ignore]  # the caller has it

    made = copy.deepcopy(config)
    for name, value in settings.items():
        if (before := OmegaConf.select(made, name, default=_MISSING)) is _MISSING:
            raise _refused("the configuration has no such setting", config, f"{at}{name}")
        above, _, last = name.rpartition(".")
        parent = OmegaConf.select(made, above) if above else made
        hints = _hints(OmegaConf.get_type(parent))  # of a structured one
        with read_write(parent):
            parent[last] = _converted(value, hints.get(last), before)
    return made


def _converted(value: Any, hint: Any, default: Any) -> Any:
    """A value of a sweep file as the annotation, or else the default, wants it."""
    if value is None:
        return None
    for kind in (*_alternatives(hint), type(default)):
        origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
        if not isinstance(origin, type):
            continue
        if isinstance(value, dict) and (dataclasses.is_dataclass(origin) or hasattr(origin, "model_fields")):
            return _made(origin, value, "")
        if issubclass(origin, Enum | PurePath) and not isinstance(value, dict | list):
            return origin(value)
        if isinstance(value, list) and issubclass(origin, tuple | list | set | frozenset):
            items = [_converted(item, inner[0] if inner else None, None) for item in value]
            return origin(items) if origin in (tuple, list, set, frozenset) else value
        if origin is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, origin):
            return value
    return value


def _alternatives(hint: Any) -> Iterator[Any]:
    """The kinds that an annotation allows: `int | None` is int and None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for one in typing.get_args(hint):
            yield from _alternatives(one)
    elif typing.get_origin(hint) is typing.Annotated:
        yield from _alternatives(typing.get_args(hint)[0])
    elif hint is not None:
        yield hint


def _class_of(hint: Any) -> Any:
    """The configuration class among the kinds of an annotation."""
    kinds = [kind for kind in _alternatives(hint) if isinstance(kind, type)]
    return next((kind for kind in kinds if dataclasses.is_dataclass(kind) or hasattr(kind, "model_fields")), None)


def _refused(message: str, config: object, key: str = "", hint: str = "") -> UsageError:
    name = config.__name__ if isinstance(config, type) else type(config).__name__
    return UsageError(Problem(message, f"config_from({name})", key, hint=hint))
