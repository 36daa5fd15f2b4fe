"""What one parameter can be: a choice, a range, a normal or a beta distribution.

A domain turns a uniform number u in (0, 1) into a value (`at`) and, where it is finite, lists its values (`grid`).
Drawn floats keep 12 significant digits, so that the last-bit differences of maths libraries never show: the same
file draws the same points on every machine. Bounds are inclusive everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweeper.trial import Value, canonical

MAX_VALUES = 1_000_000  # of one parameter in a grid
_MOST_STEPS = 1e18


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, equally likely unless `probabilities` (which sum to 1) are given."""

    values: tuple[Value, ...]
    probabilities: tuple[float, ...] = ()

    def at(self, u: float) -> Value:
        if not self.probabilities:
            return self.values[min(int(u * len(self.values)), len(self.values) - 1)]
        total = 0.0
        for value, probability in zip(self.values, self.probabilities, strict=True):
            total += probability
            if u < total:
                return value
        return self.values[-1]

    def count(self) -> int | None:
        return len(self.values)

    def grid(self) -> tuple[Value, ...] | None:
        return self.values


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`: whole ones (`integer`), on a logarithmic scale (`log`), or `low + k * step`.

    `points` is the number of values of the range in a grid, evenly spaced on its scale. `rounded` are the bounds
    between which W&B's q_ distributions draw before they round to a multiple of q (the step): the two end values of
    q_uniform are then about half as likely as the others.

    >>> Range(1e-4, 1, log=True, points=3).grid(), Range(1, 64, integer=True, log=True).at(0.5)
    ((0.0001, 0.01, 1), 6)
    """

    low: float
    high: float
    integer: bool = False
    log: bool = False
    step: float | None = None
    points: int | None = None
    rounded: tuple[float, float] | None = None

    def at(self, u: float) -> Value:
        steps = self._steps()
        if self.rounded is not None and steps is not None:
            drawn = Range(*self.rounded, log=self.log)._between(u)
            return self._stepped(min(max(round((drawn - self.low) / self._unit()), 0), steps - 1))
        if self.log:
            margin = 0.5 if self.integer and self.step is None else 0.0
            low, high = math.log(self.low - margin), math.log(self.high + margin)
            value = math.exp(low + u * (high - low))
            if steps is not None:
                return self._stepped(min(round((value - self.low) / self._unit()), steps - 1))
            return self._inside(value)
        if steps is not None:
            return self._stepped(min(int(u * steps), steps - 1))
        return self._inside(self._between(u))

    def count(self) -> int | None:
        """How many values a grid takes, None where that is not finite."""
        if self.low == self.high:
            return 1
        if self.points is not None:
            return self.points if not self.integer else min(self.points, int(self.high - self.low) + 1)
        return None if self.log and self.step is None else self._steps()

    def grid(self) -> tuple[Value, ...] | None:
        count = self.count()
        if count is None or count > MAX_VALUES:
            return None
        if self.low == self.high:
            return (canonical_number(self.low),)
        if self.points is None:
            return tuple(self._stepped(k) for k in range(count))
        if count == 1:
            return (canonical_number(self.low),)
        values = [self._inside(self._between(k / (count - 1))) for k in range(count)]
        return tuple(dict.fromkeys(values))

    def _between(self, share: float) -> float:
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low * (1 - share) + self.high * share

    def _unit(self) -> float:
        return self.step if self.step is not None else 1

    def _steps(self) -> int | None:
        """How many values lie on the steps; None for a continuous range."""
        if self.step is None and (not self.integer or self.log):
            return None
        return math.floor(min((self.high - self.low) / self._unit() + 1e-9, _MOST_STEPS)) + 1

    def _stepped(self, k: int) -> int | float:
        return self._inside(self.low + k * self._unit())

    def _inside(self, value: float) -> int | float:
        short = round(value) if self.integer else tidy(value)
        return min(max(short, canonical_number(self.low)), canonical_number(self.high))


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal distribution; with `log`, its exponential. Values are multiples of `q` where that is given."""

    mu: float
    sigma: float
    log: bool = False
    q: float | None = None

    def at(self, u: float) -> Value:
        from statistics import NormalDist

        value = NormalDist(self.mu, self.sigma).inv_cdf(u)
        return tidy(quantized(math.exp(value) if self.log else value, self.q))

    def count(self) -> int | None:
        return None

    def grid(self) -> tuple[Value, ...] | None:
        return None


@dataclass(frozen=True, slots=True)
class Beta:
    """A beta distribution on [0, 1]. Values are multiples of `q` where that is given."""

    a: float
    b: float
    q: float | None = None

    def at(self, u: float) -> Value:
        from scipy.special import betaincinv  # type: ignore[import-untyped, unused-ignore]

        return tidy(quantized(float(betaincinv(self.a, self.b, u)), self.q))

    def count(self) -> int | None:
        return None

    def grid(self) -> tuple[Value, ...] | None:
        return None


Domain = Choice | Range | Normal | Beta


def tidy(value: float) -> int | float:
    """The value at 12 significant digits, whole numbers as int."""
    return canonical_number(value if isinstance(value, int) else float(f"{value:.12g}"))


def canonical_number(value: float) -> int | float:
    number = canonical(value)
    assert isinstance(number, int | float)
    return number


def quantized(value: float, q: float | None) -> float:
    return value if q is None else round(value / q) * q
