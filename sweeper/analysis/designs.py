"""Designs: how many values a test gets, the fewest with which it can pass, and its power (Cohen 1988)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtrc, betaincinv, nctdtr, nctdtrinc, stdtrit

from sweeper.analysis.mean_tests import LOG_STAKES, log_bets
from sweeper.analysis.statistics import MOST_SEEDS, POWER

_DRAWN = 40_000  # values drawn to find the power of the exact test: 400 samples of up to 100, fewer of more
_PLACES = 41  # where all values may lie, tried for the fewest that pass
_HALVINGS = 12  # of the bracket around the smallest effect


@dataclass(frozen=True, slots=True)
class Design:
    """What a claim's test has to go by: `found` units of its kind, of which a seed brings `per_seed`.

    With less than `fewest` it can never pass. This one is about what is counted, not tested: no effect is too small.
    """

    unit: str
    found: int
    fewest: int
    per_seed: float = 1.0

    @property
    def seeds_needed(self) -> int:
        """The fewest seeds with which the claim can pass."""
        return math.ceil(self.fewest / self.per_seed - 1e-9)

    def distance(self, found: int, sd: float) -> float | None:
        """How far beyond its bound the truth must lie, in the metric's unit, to be found with 80 % power."""
        return None

    def finds(self, effect: float, found: int, sd: float) -> bool:
        """Whether this effect would be found with 80 % power."""
        smallest = self.distance(found, sd)
        return smallest is not None and smallest <= effect

    def power(self, size: float, sd: float, *, both_ends: bool) -> float | None:
        """The chance to pass where the truth lies so far inside its bound, or inside both."""
        return None


@dataclass(frozen=True, slots=True)
class MeanDesign(Design):
    """One-sided t tests at level `alpha`: `passing` of `tests` must pass, each of `each` values a unit.

    `efficiency` is that of a rank test against it.
    """

    alpha: float = 0.05
    tests: int = 1
    passing: int = 1
    each: float = 1.0
    efficiency: float = 1.0

    def distance(self, found: int, sd: float) -> float | None:
        values = found * self.each
        if found < self.fewest or values <= 1:
            return None
        one = _each(self.passing, self.tests)
        freedom = values - 1
        shift = float(nctdtrinc(freedom, 1 - one, stdtrit(freedom, 1 - self.alpha)))
        return shift * sd / math.sqrt(values * self.efficiency)

    def power(self, size: float, sd: float, *, both_ends: bool) -> float | None:
        values = self.found * self.each
        if self.found < self.fewest or values <= 1:
            return None
        freedom = values - 1
        shift = size / sd * math.sqrt(values * self.efficiency) if sd else math.inf
        missed = float(nctdtr(freedom, shift, stdtrit(freedom, 1 - self.alpha))) if shift < 1e3 else 0.0
        one = max(0.0, 1 - (2 if both_ends else 1) * missed)
        return _at_least(self.passing, self.tests, one)


@dataclass(frozen=True, slots=True)
class ShareDesign(Design):
    """The exact binomial test of a share of trials that is claimed to be at least `asked`."""

    alpha: float = 0.05
    asked: float = 0.5

    def distance(self, found: int, sd: float) -> float | None:
        from scipy.stats import binom

        if found < self.fewest:
            return None
        critical = int(binom.isf(self.alpha, found, self.asked)) + 1  # the fewest with a p value of alpha or less
        return float(betaincinv(critical, found - critical + 1, POWER)) - self.asked if critical <= found else None


@dataclass(frozen=True, slots=True)
class MeanRegion:
    """Where a mean of values in [low, high] must lie for the exact test to pass: above one bound, below another.

    An infinite bound asks nothing.
    """

    low: float
    high: float
    above: float = -math.inf
    below: float = math.inf

    def passes(self, values: np.ndarray, alpha: float) -> np.ndarray:
        """Whether each row of values passes, by both one-sided tests."""
        passed = np.ones(len(values), dtype=bool)
        for side, bound in ((values - self.low, self.above - self.low), (self.high - values, self.high - self.below)):
            if bound >= self.high - self.low:
                return np.zeros(len(values), dtype=bool)
            if bound > 0:  # else the mean lies there whatever the values
                logs = np.array([log_bets(row, bound).sum(axis=1) + LOG_STAKES for row in side])
                passed &= np.logaddexp.reduce(logs, axis=1) >= -math.log(alpha)
        return passed

    def fewest(self, alpha: float) -> int:
        """The fewest values that can pass: all of them alike, at the best place. MOST_SEEDS + 1 where those cannot."""
        places = np.linspace(max(self.low, self.above), min(self.high, self.below), _PLACES)[:, None]

        def can(count: int) -> bool:
            return bool(self.passes(np.repeat(places, count, axis=1), alpha).any())

        low, high = 0, 1
        while not can(high):
            if high > MOST_SEEDS:
                return MOST_SEEDS + 1
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if can(middle) else (middle, high)
        return high

    def power(self, mean: float, sd: float, count: int, alpha: float) -> float:
        """The chance to pass, drawn from a beta distribution of this mean and spread, or from the two ends."""
        return float(self.passes(self._drawn(mean, sd, count), alpha).mean()) if count else 0.0

    def _drawn(self, mean: float, sd: float, count: int) -> np.ndarray:
        rng, width = np.random.default_rng(count), self.high - self.low
        shape = (min(400, max(100, _DRAWN // count)), count)
        share, variance = min(max((mean - self.low) / width, 0.0), 1.0), (sd / width) ** 2
        if not 0 < variance < share * (1 - share):
            ends = rng.random(shape) < share if variance else np.full(shape, share)
            return self.low + width * ends
        size = share * (1 - share) / variance - 1
        return self.low + width * rng.beta(share * size, (1 - share) * size, shape)


@dataclass(frozen=True, slots=True)
class BoundedDesign(Design):
    """Exact tests of means in a region: `passing` of `tests` must pass at level `alpha`, of `each` values a unit."""

    alpha: float = 0.05
    tests: int = 1
    passing: int = 1
    each: float = 1.0
    region: MeanRegion = MeanRegion(0.0, 1.0)

    def distance(self, found: int, sd: float) -> float | None:
        """The larger of those from both bounds; None where no mean is far enough from its bound."""
        low, high = 0.0, max((abs(end - bound) for _, bound, end in self._sides()), default=0.0)
        if not self.finds(high, found, sd):
            return None
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.finds(middle, found, sd) else (middle, high)
        return high

    def finds(self, effect: float, found: int, sd: float) -> bool:
        wanted, count = _each(self.passing, self.tests), round(found * self.each)
        means = [
            (one, bound + (end - bound) * min(effect / abs(end - bound), 1.0)) for one, bound, end in self._sides()
        ]
        powers = (one.power(mean, sd, count, self.alpha) for one, mean in means)
        return found >= self.fewest and all(power >= wanted for power in powers)

    def _sides(self) -> Iterator[tuple[MeanRegion, float, float]]:
        """Each bound inside the range, alone, with the end of the range on the side where the mean must lie."""
        region = self.region
        if region.low < region.above < region.high:
            yield replace(region, below=math.inf), region.above, region.high
        if region.low < region.below < region.high:
            yield replace(region, above=-math.inf), region.below, region.low

    def power(self, size: float, sd: float, *, both_ends: bool) -> float | None:
        if self.found < self.fewest:
            return None
        mean = self.region.above + size if math.isfinite(self.region.above) else self.region.below - size
        one = self.region.power(mean, sd, round(self.found * self.each), self.alpha)
        return _at_least(self.passing, self.tests, one)


def _each(passing: int, tests: int) -> float:
    """The power that each of the tests must have, for so many of them to pass with 80 %."""
    return float(betaincinv(passing, tests - passing + 1, POWER))


def _at_least(passing: int, tests: int, one: float) -> float:
    """The chance of at least `passing` of `tests`, each with the chance `one`."""
    return float(bdtrc(passing - 1, tests, one))
