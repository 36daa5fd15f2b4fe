"""From the keys of one parameter in the file to its domain: sweeper's own keys and every distribution of W&B."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sweeper.errors import Problem, excerpt
from sweeper.spec.space.domains import Beta, Choice, Domain, Normal, Range
from sweeper.trial import canonical

_RANGE = ({"min", "max"}, {"log", "step", "q", "points"})
_NORMAL = (set[str](), {"mu", "sigma", "q"})
DISTRIBUTIONS: dict[str, tuple[set[str], set[str]]] = {  # distribution -> keys it needs, keys it may have
    "constant": ({"value"}, set()),
    "categorical": ({"values"}, {"probabilities"}),
    "categorical_w_probabilities": ({"values", "probabilities"}, set()),
    "int_uniform": _RANGE,
    "uniform": _RANGE,
    "q_uniform": _RANGE,
    "log_uniform_values": _RANGE,
    "inv_log_uniform_values": _RANGE,  # log(1/x) is uniform exactly when log(x) is
    "q_log_uniform_values": _RANGE,
    "normal": _NORMAL,
    "q_normal": _NORMAL,
    "log_normal": _NORMAL,
    "q_log_normal": _NORMAL,
    "beta": (set(), {"a", "b", "q"}),
    "q_beta": (set(), {"a", "b", "q"}),
}
EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")


class Complaint(ValueError):
    """Something wrong below a known key; the reader of the file adds where that stands."""

    def __init__(self, message: str, key: str = "", **details: str) -> None:
        super().__init__(message)
        self.problem = Problem(message, key=key, **details)


def domain(keys: Mapping[str, Any]) -> Domain:
    """The domain that the keys of a parameter describe. Raises Complaint with the key that is wrong."""
    kind = keys.get("distribution") or _kind(keys)
    if kind in EXPONENTS:
        raise _exponents(kind, keys)
    needed, extra = DISTRIBUTIONS[kind]
    # Conflicts come before missing keys: `values` with a range does not need the other bound.
    if surplus := [key for key in keys if key not in needed | extra | {"distribution", "when"}]:
        raise _conflict(kind, surplus[0], keys)
    if missing := sorted(needed - keys.keys()):
        raise Complaint(f"{missing[0]} is missing", allowed=_allowed_keys(kind))
    if "value" in needed:
        return Choice((canonical(keys["value"]),))
    if "values" in needed:
        return _choice(keys)
    if needed:
        return _range(kind, keys)
    q = keys.get("q", 1 if kind.startswith("q_") else None)
    if "sigma" in extra:
        return _normal(keys.get("mu", 0), keys.get("sigma", 1), "log" in kind, q)
    return Beta(keys.get("a", 1), keys.get("b", 1), q)


def _conflict(kind: str, key: str, keys: Mapping[str, Any]) -> Complaint:
    """A key that the distribution does not have: which key of the file excludes it, and how to remove one of them."""
    if "distribution" in keys:
        message, hint = f"this key does not go with distribution: {kind}", f"leave out distribution, or {key}"
    else:
        first = next(name for name in keys if name in set.union(*DISTRIBUTIONS[kind]))
        message, hint = f"this key does not go with {first}", f"leave out {first}, or {key}"
    return Complaint(message, key, allowed=_allowed_keys(kind), hint=hint)


def _kind(keys: Mapping[str, Any]) -> str:
    if "value" in keys:
        return "constant"
    if "values" in keys:
        return "categorical"
    if "mu" in keys or "sigma" in keys:
        return "normal"
    if "min" in keys or "max" in keys:
        whole = isinstance(keys.get("min"), int) and isinstance(keys.get("max"), int)
        return "int_uniform" if whole else "uniform"
    raise Complaint("this parameter has no values", allowed="value, values, or min and max")


def _choice(keys: Mapping[str, Any]) -> Choice:
    values = tuple(canonical(value) for value in keys["values"])
    distinct = {repr(value): value for value in values}
    weights = keys.get("probabilities")
    if weights is None:
        return Choice(tuple(distinct.values()))
    if len(distinct) < len(values):
        raise Complaint("a value is given twice", "values", hint="add its probabilities up")
    if len(weights) != len(values):
        raise Complaint(
            "as many probabilities as values are needed",
            "probabilities",
            found=str(len(weights)),
            allowed=str(len(values)),
        )
    total = sum(weights)
    if abs(total - 1) > 1e-6:
        raise Complaint("the probabilities do not sum to 1", "probabilities", found=f"{total:g}", allowed="1")
    return Choice(values, tuple(weight / total for weight in weights))


def _normal(mu: float, sigma: float, log: bool, q: float | None) -> Normal:
    furthest = abs(mu) + 9 * sigma  # no uniform number of 52 bits lies further out
    if furthest > (700 if log else 1e300) or (not log and furthest / (q or 1) > 1e300):
        raise Complaint("draws would leave 64-bit numbers", "sigma", found=f"mu {mu:g}, sigma {sigma:g}")
    return Normal(mu, sigma, log, q)


def _range(kind: str, keys: Mapping[str, Any]) -> Range:
    low, high = keys["min"], keys["max"]
    log = keys.get("log", False) or "log" in kind
    integer = kind == "int_uniform" or (kind.startswith("q_") and _whole(low, high, keys.get("q", 1)))
    if kind == "int_uniform" and not _whole(low, high, keys.get("step", 1), keys.get("q", 1)):
        raise Complaint("int_uniform needs whole numbers", "min", allowed="whole min, max, step and q")
    if low > high:
        raise Complaint("min is above max", "min", found=excerpt(low), allowed=f"at most {excerpt(high)}")
    if not math.isfinite(high - low):
        raise Complaint("the range is too wide", "max", found=excerpt(high), allowed="max - min within 64-bit numbers")
    if log and low <= 0:
        raise Complaint(
            "a logarithmic range starts above 0",
            "min",
            found=excerpt(low),
            allowed="a number above 0",
            hint="bounds are real values, never exponents; values: [0, ...] can hold the zero",
        )
    if len(given := [key for key in ("step", "q", "points") if key in keys]) > 1:
        raise Complaint(f"{given[0]} and {given[1]} exclude one another", given[1], allowed="one of them")
    step, rounded = keys.get("step"), None
    if "q" in keys or kind.startswith("q_"):
        rounded = low, high
        low, high, step = _multiples(low, high, keys.get("q", 1))
    if step is not None and step > high - low > 0:
        raise Complaint(
            "the step is wider than the range", "step", found=excerpt(step), allowed=f"at most {high - low:g}"
        )
    return Range(low, high, integer, log, step, keys.get("points"), rounded)


def _multiples(low: float, high: float, q: float) -> tuple[float, float, float]:
    """The bounds moved inwards to multiples of q."""
    if max(abs(low), abs(high)) / q > 1e15:
        raise Complaint("q is too small for the range", "q", found=excerpt(q))
    first, last = math.ceil(low / q - 1e-9), math.floor(high / q + 1e-9)
    if first > last:
        raise Complaint("no multiple of q lies in the range", "q", found=excerpt(q), allowed=f"{low:g} to {high:g}")
    return first * q, last * q, q


def _whole(*numbers: float) -> bool:
    return all(isinstance(number, int) for number in numbers)


def _allowed_keys(kind: str) -> str:
    needed, extra = DISTRIBUTIONS[kind]
    return ", ".join([*sorted(needed), *(f"{key} (optional)" for key in sorted(extra))])


def _exponents(kind: str, keys: Mapping[str, Any]) -> Complaint:
    """W&B's log_uniform takes the logarithms of its bounds, far too easy to get wrong: refused, with the fix."""
    values = {"q_log_uniform": "q_log_uniform_values"}.get(kind, "log_uniform_values")
    hint = f"write distribution: {values} with the real bounds"
    try:
        low, high = (f"{math.exp(keys[key]):.6g}" for key in ("min", "max"))
        hint = f"write distribution: {values}, min: {low}, max: {high}"
        if keys["min"] > 0:
            hint += f"; or min: {keys['min']:g}, max: {keys['max']:g} if those are meant as they stand"
    except (KeyError, OverflowError, TypeError):
        pass
    return Complaint(f"{kind} takes exponents as bounds", "distribution", found=kind, allowed=values, hint=hint)
