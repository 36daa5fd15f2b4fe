"""Exact tests of success rates: that of one setting, and of the difference of two whose seeds are shared."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc

from sweeper.analysis.mean_tests import BoundedMean, SampleTest, SignFlip
from sweeper.analysis.statistics import CONFIDENCE, MOST_SEEDS, POWER, Values, share_interval


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """`count` successes of `n` independent seeds: the exact binomial test and the Clopper-Pearson interval.

    >>> one = SuccessRate(9, 10)
    >>> [round(end, 3) for end in one.interval(0.9)], round(one.p_above(0.5), 4)
    ([0.606, 0.995], 0.0107)
    """

    count: int
    n: int

    @property
    def mean(self) -> float:
        return self.count / self.n

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        return share_interval(self.count, self.n, confidence)

    def p_above(self, bound: float, *, strict: bool = False) -> float:
        if bound <= 0 and not strict:
            return 0.0
        return _as_many(self.count, self.n, min(max(bound, 0.0), 1.0))

    def p_below(self, bound: float, *, strict: bool = False) -> float:
        return SuccessRate(self.n - self.count, self.n).p_above(1 - bound, strict=strict)

    def enough(self, bounds: Sequence[float], alpha: float) -> int | None:
        """How many seeds decide with 80 % power on which side of each bound the rate lies, should it stay as it is."""
        ends = [bound for bound in bounds if 0 <= bound <= 1]
        if not ends or self.mean in ends:
            return None
        counts = range(1, MOST_SEEDS + 1)
        found = bisect_left(counts, True, key=lambda n: all(_power(self.mean, n, b, alpha) >= POWER for b in ends))
        return counts[found] if found < len(counts) else None


@dataclass(frozen=True)
class PairedRates(SampleTest):
    """Differences of two success rates, one value in [-1, 1] per seed that both settings share.

    Against 0 it is McNemar's exact test: among the seeds where only one of the two settings succeeded, either is
    likely. Where a seed's value is a mean over several such pairs, all its pairs change sign together. Against another
    bound, and for the interval, nothing but the range is assumed.

    >>> PairedRates(np.array([1.0, 1, 1, 1, 1, 1, 0, 0])).p_above(0)  # 6 to 0: 1 / 2^6
    0.015625
    """

    def _p(self, values: np.ndarray, bound: float) -> float:
        return BoundedMean(values, -1.0, 1.0).p_above(bound) if bound != 0 else _sign_p(values)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        return self._bounded.interval(confidence)

    def enough(self, bounds: Sequence[float], alpha: float) -> int | None:
        """How many seeds would do, drawn from these; against 0 by the test of the range, which takes a few more."""
        return self._bounded.enough(bounds, alpha)

    @property
    def _bounded(self) -> BoundedMean:
        return BoundedMean(self.values, -1.0, 1.0)


def success_rate(values: Values) -> SuccessRate:
    """The test of one setting, from 1 for every seed that succeeded and 0 for every other."""
    return SuccessRate(round(sum(values)), len(values))


def paired_rates(values: Values) -> PairedRates:
    """The test of one value per seed, rounded, for means over several pairs are off 1 by less than that."""
    return PairedRates(np.round(values, 12))


def _sign_p(values: np.ndarray) -> float:
    if np.isin(values, (-1, 0, 1)).all():
        gained, lost = int((values == 1).sum()), int((values == -1).sum())
        return _as_many(gained, gained + lost, 0.5)
    return SignFlip(values).p_above(0)


def _power(rate: float, count: int, bound: float, alpha: float) -> float:
    """The chance that so many seeds of this rate tell it from the bound, on the side where it lies."""
    if rate < bound:
        rate, bound = 1 - rate, 1 - bound
    numbers = np.arange(1, count + 1)
    significant = numbers[betainc(numbers, count - numbers + 1, bound) <= alpha]
    return _as_many(int(significant[0]), count, rate) if len(significant) else 0.0


def _as_many(successes: int, of: int, rate: float) -> float:
    """The chance of as many successes or more (scipy.stats has it too, and takes half a second to import)."""
    return float(betainc(successes, of - successes + 1, rate)) if successes > 0 else 1.0
