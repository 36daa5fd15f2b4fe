"""What one setting may be, and the check of a flat ``{dotted name: value}`` mapping against a table of settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Scalar = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One thing wrong with a setting: its dotted name, the value found, and what is allowed, in words."""

    key: str
    found: object
    allowed: str

    def __str__(self) -> str:
        return f"{self.key}: found {self.found!r}, allowed: {self.allowed}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One scalar a person may set: its default, its type (that of the default) and its range or choices.

    ``low`` and ``high`` are inclusive. ``only_when`` is ``(other setting, its values)``: elsewhere the setting is legal
    but has no effect. ``added``: it came after results were made, and its default is what the trainer did before.
    """

    default: Scalar
    description: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    accepts: Callable[[object], bool] | None = None
    allowed_text: str = ""
    only_when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    added: bool = False

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.allowed_text:
            return self.allowed_text
        if self.choices:
            return "one of " + ", ".join(self.choices)
        noun = "an integer" if isinstance(self.default, int) else "a finite number"
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"{noun} from {self.low:g} to {self.high:g}"
        return f"{noun}, at least {self.low:g}" if math.isfinite(self.low) else noun

    def admits(self, value: object) -> bool:
        """Whether ``value`` alone is acceptable; a bool is not a number, 3.0 is an integer, 3 is a float."""
        if self.accepts is not None:
            return self.accepts(value)
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, float) and not (
            math.isfinite(value) and (value.is_integer() or type(self.default) is float)
        ):
            return False
        return self.low <= value <= self.high

    def convert(self, value: object) -> Any:
        """An admitted value in the setting's own type (``3.0`` becomes ``3`` where an integer is meant)."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value) if isinstance(self.default, int) else float(value)
        return value


def setting(default: Scalar, description: str, **limits: Any) -> Any:
    """A dataclass field that carries its :class:`Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(default, description, **limits)})


def collect(owner: type, prefix: str = "") -> dict[str, Setting]:
    """Every setting declared in a dataclass and in those nested in it, by dotted name, in order of declaration."""
    found: dict[str, Setting] = {}
    for field in dataclasses.fields(owner):
        if "setting" in field.metadata:
            found[prefix + field.name] = field.metadata["setting"]
        else:
            nested = field.default_factory
            assert isinstance(nested, type)
            found |= collect(nested, f"{prefix}{field.name}.")
    return found


def problems_of(params: Mapping[str, object], settings: Mapping[str, Setting]) -> list[SettingProblem]:
    """The unknown names and the unacceptable values, all of them."""
    found = []
    for key, value in params.items():
        known = settings.get(key)
        if known is None:
            found.append(SettingProblem(key, value, "not a setting of this trainer" + _suggestion(key, settings)))
        elif not known.admits(value):
            found.append(SettingProblem(key, value, known.allowed))
    return found


def _suggestion(key: str, names: Iterable[str]) -> str:
    import difflib  # only when something is wrong: the check runs for 100 000 configurations

    close = difflib.get_close_matches(key, list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def construct(owner: type[T], params: Mapping[str, object], prefix: str = "") -> T:
    """An instance of a settings dataclass (and of those nested in it) from flat dotted names; the rest is default."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(owner):  # type: ignore[arg-type]
        name = prefix + field.name
        if "setting" in field.metadata:
            if name in params:
                values[field.name] = field.metadata["setting"].convert(params[name])
        else:
            nested = field.default_factory
            assert isinstance(nested, type)
            values[field.name] = construct(nested, params, name + ".")
    return owner(**values)
