"""Means with their uncertainty, and tests on them: scipy does the arithmetic, no trial is known here."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, stdtr, stdtrit

CONFIDENCE = 0.95
RESAMPLES = 9_999
POWER = 0.8
MOST_SEEDS = 1_000  # more than this is no advice

Values = Sequence[float]
Numbers = float | Sequence[float] | np.ndarray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its standard error and the degrees of freedom of its t distribution, from `n` values.

    One value has a standard error of infinity: how far another would lie is not known.
    """

    mean: float
    se: float
    df: float
    n: int

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided t interval; infinite with one value."""
        if not math.isfinite(self.se):
            return -math.inf, math.inf
        half = float(half_width(self.df, self.se, confidence)) if self.se else 0.0
        return self.mean - half, self.mean + half

    def p_above(self, bound: float, *, strict: bool = False) -> float:
        """One-sided p value for a true mean of `bound` or more (with `strict`: of more; it matters without spread)."""
        if self.se > 0:
            return float(stdtr(self.df, (bound - self.mean) / self.se)) if math.isfinite(self.se) else 0.5
        slack = 1e-12 * max(1.0, abs(bound)) * (-1 if strict else 1)  # 0.3 - 0.2 is not quite 0.1
        return 0.0 if self.mean >= bound - slack else 1.0

    def p_below(self, bound: float, *, strict: bool = False) -> float:
        """One-sided p value for a true mean of `bound` or less."""
        return Estimate(-self.mean, self.se, self.df, self.n).p_above(-bound, strict=strict)

    def p_differs(self, bound: float) -> float:
        """Two-sided p value for a true mean of `bound`."""
        return min(1.0, 2 * min(self.p_above(bound, strict=True), self.p_below(bound, strict=True)))


def half_width(df: Numbers, se: Numbers, confidence: float = CONFIDENCE) -> np.ndarray:
    """Half the width of two-sided t intervals, given their degrees of freedom and standard errors."""
    return np.asarray(stdtrit(df, 0.5 + confidence / 2) * np.asarray(se))


def cut(ends: tuple[Numbers, Numbers], mean: Numbers, within: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Intervals without what lies outside a range; the mean stays inside, even one that is outside the range itself.

    >>> [end.tolist() for end in cut((-0.1, [1.2, 0.9]), 0.5, (0, 1))]
    [0.0, [1.0, 0.9]]
    """
    (low, high), (least, most) = ends, within
    return np.maximum(low, np.minimum(least, mean)), np.minimum(high, np.maximum(most, mean))


def estimate(values: Values) -> Estimate:
    """The mean of a sample. Raises ValueError for an empty one.

    >>> one = estimate([1.0, 2.0, 3.0])
    >>> one.mean, round(one.se, 3), [round(end, 3) for end in one.interval()], round(one.p_above(0), 3)
    (2.0, 0.577, [-0.484, 4.484], 0.037)
    """
    if not len(values):
        raise ValueError("no values")
    array = np.asarray(values, dtype=float)
    count = len(array)
    if count == 1:
        return Estimate(float(array[0]), math.inf, 1, 1)
    spread = 0.0 if (array == array[0]).all() else float(array.std(ddof=1))  # numpy's own rounding is no spread
    return Estimate(float(array.mean()), spread / math.sqrt(count), count - 1, count)


def grand_mean(groups: Sequence[Values]) -> Estimate:
    """The mean of the groups' means, each group's spread its own: df by Welch and Satterthwaite.

    The groups are fixed (the configurations of a sweep), what varies is within them (the seed). A group of one value
    borrows the mean variance of the others.
    """
    parts = [estimate(group) for group in groups]
    known = [part.se**2 * part.n for part in parts if part.n > 1]
    borrowed = math.sqrt(math.fsum(known) / len(known)) if known else math.inf
    parts = [part if part.n > 1 else Estimate(part.mean, borrowed, 1, 1) for part in parts]
    return average(parts)


def average(parts: Sequence[Estimate]) -> Estimate:
    """The mean of independent means."""
    return _combined(parts, 1 / len(parts))


def welch(first: Values, second: Values) -> Estimate:
    """mean(first) - mean(second) of two independent samples (Welch)."""
    one, other = estimate(first), estimate(second)
    return _combined([one, Estimate(-other.mean, other.se, other.df, other.n)], 1.0)


def paired(first: Values, second: Values) -> Estimate:
    """The mean of first - second, value by value."""
    return estimate(np.subtract(first, second).tolist())


def means_by_seed(groups: Sequence[Mapping[int, float]]) -> list[float]:
    """The mean over several configurations for each seed, each group giving a value for every seed that it has.

    Trials of one seed share data and initial weights: they are one draw, not several. What a group lacks is taken to be
    what its mean and the seed's others let expect: without that, how configurations differ would count as noise. A test
    of these means keeps its level, with a tenth or three tenths of the values missing (simulated).

    >>> means_by_seed([{0: 1.0, 1: 3.0}, {0: 5.0, 1: 5.0}])
    [3.0, 4.0]
    """
    groups = [group for group in groups if group]
    if not groups:
        return []
    centres = [math.fsum(group.values()) / len(group) for group in groups]
    whole = math.fsum(centres) / len(centres)
    off: dict[int, list[float]] = {}
    for group, centre in zip(groups, centres, strict=True):
        for seed, value in group.items():
            off.setdefault(seed, []).append(value - centre)
    means = {seed: math.fsum(values) / len(values) for seed, values in off.items()}
    middle = math.fsum(means.values()) / len(means)
    return [whole + means[seed] - middle for seed in sorted(means)]


def partial_conjunction(p_values: Sequence[float], count: int) -> float:
    """The p value for at least `count` of the alternatives being true (Benjamini and Heller 2008, by Simes).

    All of them: the largest p value. Any one: as Holm's smallest, or less. Valid for tests that are independent or
    positively dependent, as those of configurations that share seeds are.

    >>> [round(partial_conjunction([0.01, 0.02, 0.9], count), 3) for count in (1, 2, 3)]
    [0.03, 0.04, 0.9]
    """
    if count <= 0:
        return 0.0
    if count > len(p_values):
        return 1.0
    rest = sorted(p_values)[count - 1 :]
    return min(1.0, *(len(rest) / rank * p for rank, p in enumerate(rest, 1)))


def effect_size(differences: Values) -> float:
    """Cohen's d_z: the mean of paired differences in units of their standard deviation; nan without spread."""
    one = estimate(differences)
    return one.mean / (one.se * math.sqrt(one.n)) if 0 < one.se < math.inf else math.nan


def bootstrap(values: Values, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The BCa bootstrap interval of a mean (Efron 1987), the same for the same values; nan with fewer than two."""
    if len(values) < 2:
        return math.nan, math.nan
    if len(set(values)) == 1:
        return values[0], values[0]
    from scipy import stats  # here and below: it takes half a second to import, which most tables do without

    rng = np.random.default_rng(0)
    done = stats.bootstrap(
        (np.asarray(values, dtype=float),), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, rng=rng
    )
    return float(done.confidence_interval.low), float(done.confidence_interval.high)


def share_interval(count: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a share.

    >>> [round(end, 3) for end in share_interval(9, of=10)]
    [0.555, 0.997]
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count else 0.0
    return low, float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values adjusted by Holm (1979): reject those at most alpha, and the family's error rate is alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)  # by hand: importing statsmodels for it costs a second; a test compares the two
    steps = np.minimum(1.0, np.asarray(p_values)[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(steps)
    return [float(p) for p in adjusted]


def enough(one: Estimate, bounds: Sequence[float], alpha: float) -> int | None:
    """How many values decide with 80 % power on which side of each bound the mean lies, should mean and spread stay so.

    One t test per bound, one-sided, at level alpha, as for two one-sided tests. None where no reasonable number is
    enough. Two at the least: one value has no spread.
    """
    if not math.isfinite(one.se):
        return 2
    from scipy.stats import nct  # by hand: statsmodels is no requirement; a test compares the two

    spread = one.se * math.sqrt(one.n)
    distances = [abs(one.mean - bound) for bound in bounds if math.isfinite(bound)]
    if spread == 0 or 0 in distances:
        return None

    def is_enough(count: int) -> bool:
        critical = stdtrit(count - 1, 1 - alpha)
        missed = [nct.cdf(critical, count - 1, distance / spread * math.sqrt(count)) for distance in distances]
        return bool(math.fsum(missed) <= 1 - POWER)

    counts = range(2, MOST_SEEDS + 1)
    found = bisect_left(counts, True, key=is_enough)
    return counts[found] if found < len(counts) else None


def _combined(parts: Sequence[Estimate], weight: float) -> Estimate:
    """The weighted sum of independent means."""
    mean, count = weight * math.fsum(part.mean for part in parts), sum(part.n for part in parts)
    variances = [(weight * part.se) ** 2 for part in parts]
    total = math.fsum(variances)
    if not math.isfinite(total):
        return Estimate(mean, math.inf, 1, count)
    weights = math.fsum(v**2 / part.df for v, part in zip(variances, parts, strict=True))
    return Estimate(mean, math.sqrt(total), total**2 / weights if weights else count - len(parts), count)
