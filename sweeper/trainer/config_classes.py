"""The settings of a program's own configuration class, as the declared parameters of a trainer."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from sweeper.errors import Problem, UsageError
from sweeper.trial import Value


def parameters_of(config: object) -> dict[str, Value]:
    """The settings of `config` and their defaults, nested ones under dotted names, as `train.parameters` wants them.

    `config` is a class or an object of dataclasses or pydantic, an argparse.ArgumentParser, an OmegaConf configuration,
    or a mapping. Where a setting has no default, pass an object that has a value for it. A top-level `seed` is left
    out: each trial gets its own from the sweep file. Enumerations, paths and tuples become what YAML can hold.
    Raises UsageError for another kind of object, settings without a default, and values that YAML cannot hold.

    >>> @dataclasses.dataclass
    ... class Optimizer:
    ...     lr: float = 0.1
    >>> @dataclasses.dataclass
    ... class Config:
    ...     width: int = 64
    ...     optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    ...     seed: int = 0
    >>> parameters_of(Config)
    {'width': 64, 'optimizer.lr': 0.1}
    """
    settings = fields_of(_with_defaults(config))
    if settings is None:
        allowed = "a dataclass, a pydantic model, an ArgumentParser, an OmegaConf configuration or a mapping"
        raise _refused("its settings cannot be listed", config, found=type(config).__name__, allowed=allowed)
    return {name: value for name, value in _flat(settings, "", config) if name != "seed"}


def _with_defaults(config: object) -> object:
    """An object of a class with its defaults; every other object as it is."""
    if not isinstance(config, type) or not (dataclasses.is_dataclass(config) or hasattr(config, "model_fields")):
        return config
    try:
        return config()
    except Exception as error:  # the class's own code: pydantic's ValidationError, TypeError, what a validator raises
        missing = _without_default(config)
        message = "settings without a default" if missing else f"it cannot be made from its defaults: {error}"
        hint = f"give them defaults, or pass an object: parameters_of({config.__name__}(...))"
        raise _refused(message, config, found=", ".join(missing), hint=hint) from error


def _without_default(config: Any) -> list[str]:
    if hasattr(config, "model_fields"):
        return [name for name, field in config.model_fields.items() if field.is_required()]
    none = dataclasses.MISSING
    fields = [field for field in dataclasses.fields(config) if field.init]
    return [field.name for field in fields if field.default is none and field.default_factory is none]


def fields_of(config: Any) -> Mapping[str, object] | None:
    """The settings of one level; None for what has none. A class stands for no settings."""
    if isinstance(config, argparse.ArgumentParser):
        return _arguments(config)
    if type(config).__module__.partition(".")[0] == "omegaconf":
        config = _resolved(config)
    if isinstance(config, Mapping):
        return config
    if isinstance(config, type):
        return None
    if dataclasses.is_dataclass(config):
        return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    if hasattr(type(config), "model_fields"):
        return {name: getattr(config, name) for name in type(config).model_fields}
    return None


def _resolved(config: Any) -> object:
    """An OmegaConf configuration as plain values, with its interpolations."""
    from omegaconf import OmegaConf, errors  # type: ignore[import-not-found,unused-ignore]  # the caller has it

    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except errors.OmegaConfBaseException as error:
        text = str(error).partition("\n")[0]
        key = str(getattr(error, "full_key", None) or "")
        raise _refused(text, config, key=key, hint="give each setting a value that can be resolved") from error


def _arguments(parser: argparse.ArgumentParser) -> dict[str, object]:
    """What the parser returns for an empty command line, without running it: it would exit where one is required."""
    values = dict(parser._defaults)  # what set_defaults gave to names without an argument
    missing = []
    for action in reversed(parser._actions):  # of arguments with one name, the first one's default holds
        if argparse.SUPPRESS in (action.dest, action.default):
            continue
        # argparse converts a default that is a string by the argument's type, and no other.
        convert = action.type if callable(action.type) and isinstance(action.default, str) else lambda value: value
        values[action.dest] = convert(action.default)
        missing += [action.dest] if action.required and action.default is None else []
    if missing:
        hint = "give them defaults, or pass the values: parameters_of(vars(parser.parse_args([...])))"
        raise _refused("arguments without a default", parser, found=", ".join(missing[::-1]), hint=hint)
    order = [action.dest for action in parser._actions if action.dest in values]
    return {name: values[name] for name in dict.fromkeys([*order, *values])}


def _flat(settings: Mapping[str, object], prefix: str, config: object) -> Iterator[tuple[str, Value]]:
    for key, value in settings.items():
        inner = fields_of(value)
        if inner:
            yield from _flat(inner, f"{prefix}{key}.", config)
        else:
            yield f"{prefix}{key}", _plain(value, f"{prefix}{key}", config)


def _plain(value: object, name: str, config: object) -> Value:
    """A value as YAML holds it."""
    if isinstance(value, Enum):
        return _plain(value.value, name, config)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item, name, config) for item in value]
    if (inner := fields_of(value)) is not None:
        return {str(key): _plain(item, name, config) for key, item in inner.items()}
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    allowed = "a finite number, a string, true or false, None, a list or a mapping of these"
    raise _refused("a default that a sweep file cannot hold", config, key=name, found=repr(value)[:60], allowed=allowed)


def _refused(
    message: str, config: object, *, key: str = "", found: str = "", allowed: str = "", hint: str = ""
) -> UsageError:
    name = config.__name__ if isinstance(config, type) else type(config).__name__
    return UsageError(Problem(message, f"parameters_of({name})", key, found, allowed, hint))
