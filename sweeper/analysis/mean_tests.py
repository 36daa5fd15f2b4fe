"""Tests of a mean that a claim can name by `test:`, each with the methods of `Estimate`, which is the t test.

What each assumes of the values (one per seed), and so what it can reject:

- `t`: they are roughly normal, or there are many.
- `signflip`: they lie as likely so far above their centre as below. Exact for paired differences of two settings that
  do not differ; elsewhere symmetry is an assumption.
- `bootstrap` (BCa, Efron 1987): the sample resembles what it was drawn from. Correct for many values only.
- `exact`: nothing but their range. A bad seed that the sample lacks is counted with, so that it takes more seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from sweeper.analysis.statistics import CONFIDENCE, MOST_SEEDS, POWER, RESAMPLES, Values

_ALL_SIGNS = 12  # up to so many values all 2^n signs are tried
_HALVINGS = 45  # of the bracket around the end of an interval
_SLACK = 1e-9  # a sum with other signs that equals the observed one must count as equal
_REPEATS = 400  # samples drawn to find how many seeds would do
# Bets as shares of the largest one that cannot be lost; half of the stake is on that: few values that all agree.
_SHARES = np.concatenate([np.geomspace(1e-3, 0.5, 14), 1 - np.geomspace(0.4, 2e-3, 8), [1.0]])
LOG_STAKES = np.log(np.append(np.full(len(_SHARES) - 1, 0.5 / (len(_SHARES) - 1)), 0.5))


class MeanTest(Protocol):
    """A sample's mean, an interval of the true one, and p values about it."""

    @property
    def mean(self) -> float: ...

    @property
    def n(self) -> int: ...

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """All true means that neither one-sided test rejects at (1 - confidence) / 2; an end may be infinite."""

    def p_above(self, bound: float, *, strict: bool = False) -> float:
        """One-sided p value for a true mean of `bound` or more (with `strict`: of more)."""

    def p_below(self, bound: float, *, strict: bool = False) -> float:
        """One-sided p value for a true mean of `bound` or less."""


@dataclass(frozen=True)
class SampleTest:
    """Values, and the tests that follow from `_p`, which falls as the values rise and rises with the bound."""

    values: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def n(self) -> int:
        return len(self.values)

    def p_above(self, bound: float, *, strict: bool = False) -> float:
        return self._p(self.values, bound)

    def p_below(self, bound: float, *, strict: bool = False) -> float:
        return self._p(-self.values, -bound)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        if confidence not in self._intervals:
            level = (1 - confidence) / 2
            self._intervals[confidence] = self._lower_end(self.values, level), -self._lower_end(-self.values, level)
        return self._intervals[confidence]

    @cached_property
    def _intervals(self) -> dict[float, tuple[float, float]]:
        """Those found so far, by confidence: a claim's sentence and its rows ask for the same ones."""
        return {}

    def _p(self, values: np.ndarray, bound: float) -> float:
        raise NotImplementedError

    def _least(self, values: np.ndarray) -> float:
        """A bound that no test could reject less easily."""
        return float(values.min())

    def _lower_end(self, values: np.ndarray, level: float) -> float:
        low, high = self._least(values), float(values.mean())
        if self._p(values, low) > level:
            return low if self._knows_least else -math.inf
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._p(values, middle) <= level else (low, middle)
        return low

    @property
    def _knows_least(self) -> bool:
        return False


@dataclass(frozen=True)
class SignFlip(SampleTest):
    """The sign-flip permutation test: all 2^n signs up to n = 12, else 9 999 drawn ones (the same for the same n).

    >>> round(SignFlip(np.array([1.0, 2.0, 3.0, 4.0, 5.0])).p_above(0), 4)  # 1 of 32
    0.0312
    """

    @cached_property
    def _signs(self) -> np.ndarray:
        if self.n <= _ALL_SIGNS:
            return 1 - 2 * ((np.arange(2**self.n)[:, None] >> np.arange(self.n)) & 1)
        drawn = np.random.default_rng(self.n).choice([-1, 1], (RESAMPLES, self.n))
        return np.concatenate([np.ones((1, self.n), dtype=int), drawn])

    def _p(self, values: np.ndarray, bound: float) -> float:
        off = values - bound
        sums = self._signs @ off
        return float((sums >= off.sum() - _SLACK * np.abs(off).sum()).mean())


@dataclass(frozen=True)
class BootstrapMean(SampleTest):
    """The BCa bootstrap of a mean, the same for the same values. Values without spread count as signs: p = 2^-n."""

    @cached_property
    def _drawn(self) -> np.ndarray:
        picked = np.random.default_rng(0).integers(0, self.n, (RESAMPLES, self.n))
        return np.asarray(self.values[picked].mean(axis=1))

    def _p(self, values: np.ndarray, bound: float) -> float:
        if self.n < 2 or np.ptp(values) == 0:
            return 0.5**self.n if values.mean() >= bound else 1.0
        drawn = self._drawn if values is self.values else -self._drawn
        bias, skew = _normal(drawn, float(values.mean())), _acceleration(values)
        shift = _normal(drawn, bound) - bias
        return float(ndtr(shift / max(1 + skew * shift, 1e-9) - bias))


@dataclass(frozen=True)
class BoundedMean(SampleTest):
    """A test of the mean of values in [low, high] that holds for any distribution there.

    It bets against the bound m: for every share c the wealth after all values is the product of 1 + c (x / m - 1), with
    x and m counted from `low`; if the mean is m or less, none of these is expected to grow, nor their mixture, and by
    Markov's inequality p = 1 / wealth (Waudby-Smith and Ramdas 2023). The order of the values does not matter.

    >>> perfect = BoundedMean(np.ones(6), 0.0, 1.0)
    >>> round(perfect.p_above(0.3), 4), round(perfect.p_above(0.9), 2)  # a rare bad seed is not excluded
    (0.0011, 0.62)
    """

    low: float
    high: float

    @property
    def _knows_least(self) -> bool:
        return True

    def _least(self, values: np.ndarray) -> float:
        return self.low if values is self.values else -self.high

    def _p(self, values: np.ndarray, bound: float) -> float:
        low, high = (self.low, self.high) if values is self.values else (-self.high, -self.low)
        if bound <= low:
            return 0.0
        return 1.0 if bound >= high else float(_betting(np.clip(values, low, high) - low, bound - low))

    def p_above(self, bound: float, *, strict: bool = False) -> float:
        at_end = strict and bound == self.low and bool((self.values <= bound).all())
        return 1.0 if at_end else self._p(self.values, bound)  # no value there is more than the least possible one

    def p_below(self, bound: float, *, strict: bool = False) -> float:
        at_end = strict and bound == self.high and bool((self.values >= bound).all())
        return 1.0 if at_end else self._p(-self.values, -bound)

    def enough(self, bounds: Sequence[float], alpha: float) -> int | None:
        """How many values decide with 80 % power on which side of each bound the mean lies, drawn from these values."""
        asked = (*bounds, alpha)
        if asked not in self._counts:
            self._counts[asked] = self._enough(bounds, alpha)
        return self._counts[asked]

    @cached_property
    def _counts(self) -> dict[tuple[float, ...], int | None]:
        """The answers of `enough` so far: it takes longer than all else of a verdict."""
        return {}

    def _enough(self, bounds: Sequence[float], alpha: float) -> int | None:
        sides = [(self.values - self.low, bound - self.low) for bound in bounds if self.low < bound < self.mean]
        sides += [(self.high - self.values, self.high - bound) for bound in bounds if self.mean < bound < self.high]
        if not sides or self.mean in bounds:
            return None

        def is_enough(count: int) -> bool:
            times = np.random.default_rng(count).multinomial(count, np.full(self.n, 1 / self.n), _REPEATS)
            logs = [times @ log_bets(values, bound).T + LOG_STAKES for values, bound in sides]
            passed = [np.logaddexp.reduce(one, axis=1) >= -math.log(alpha) for one in logs]
            return bool(np.logical_and.reduce(passed).mean() >= POWER)

        low, high = 1, 2
        while not is_enough(high):
            if high >= MOST_SEEDS:
                return None
            low, high = high, min(2 * high, MOST_SEEDS)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle, high)
        return high


def bounded(low: float, high: float) -> Callable[[Values], MeanTest]:
    """The exact test of means of values in [low, high]: for the same values the same one, which keeps what it found."""
    return lambda values: _bounded_mean(tuple(values), low, high)


@lru_cache(maxsize=4_096)
def _bounded_mean(values: tuple[float, ...], low: float, high: float) -> BoundedMean:
    return BoundedMean(np.array(values, dtype=float), low, high)


def sign_flip(values: Values) -> MeanTest:
    return SignFlip(np.asarray(values, dtype=float))


def bootstrap_mean(values: Values) -> MeanTest:
    return BootstrapMean(np.asarray(values, dtype=float))


def log_bets(values: np.ndarray, bound: float) -> np.ndarray:
    """The logarithm of what each bet makes of each value: one row per bet. Values count from the least possible one."""
    odds = values / bound - 1
    return np.log(np.maximum(1 + _SHARES[:, None] * odds, 1e-300))


def _betting(values: np.ndarray, bound: float) -> float:
    logs = log_bets(values, bound).sum(axis=1) + LOG_STAKES
    wealth = float(np.logaddexp.reduce(logs))  # scipy's logsumexp takes 40 times as long
    return min(1.0, math.exp(-wealth)) if wealth < 700 else 0.0


def _normal(drawn: np.ndarray, bound: float) -> float:
    """The normal quantile of the share of drawn means below a bound, of those that equal it half."""
    share = float((drawn < bound).mean() + 0.5 * (drawn == bound).mean())
    return float(ndtri(min(max(share, 0.5 / len(drawn)), 1 - 0.5 / len(drawn))))


def _acceleration(values: np.ndarray) -> float:
    off = values.mean() - values
    return float((-(off**3)).sum() / (6 * ((off**2).sum()) ** 1.5)) if np.ptp(values) else 0.0
