"""Claims about how configurations (or trials) spread: typical (quartiles), best, share. Over trials they are facts.

Over configurations each mean has its t interval, and a claim is decided at the smallest level at which the intervals
decide it: with every mean at the unfavourable end of its interval it still holds, or at the favourable end it still
does not. That is careful: not all of them lie at that end at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sweeper.analysis.claims.means import Bounds, interval_text, needed, p_inside, p_outside, reachable, rows_of
from sweeper.analysis.claims.verdict import TestResult, bracket
from sweeper.analysis.evidence import Evidence
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import Estimate, estimate, half_width, holm, share_interval
from sweeper.spec.claims.records import Best, Claim, Share, Typical
from sweeper.trial import State
from sweeper.value_text import plural

FAR = 1e150  # stands for infinity: quantiles interpolate between finite numbers only
_LEVELS = np.geomspace(1e-6, 0.5, 120)


def judge_typical(claim: Claim, test: Typical, evidence: Evidence) -> TestResult:
    """Both quartiles, of the configurations' means or of the trials' values, lie inside."""
    bounds = (test.low, test.high)
    if claim.over == "trials":
        low, high = (float(q) for q in np.quantile(evidence.values, (0.25, 0.75)))
        inside = test.low <= low and high <= test.high
        words = f"quartiles {rounded(low)} and {rounded(high)} of {plural(len(evidence.values), 'trial')}"
        words += f", claimed {interval_text(bounds)}"
        middle = float(np.median(evidence.values))
        return TestResult(words, middle, None, len(evidence.values), float(not inside), float(inside))
    reached, groups = reachable(bounds, evidence.values), evidence.measured
    means = _Means([estimate(group.numbers) for group in groups])

    def holds(lows: Sequence[float], highs: Sequence[float]) -> bool:
        return bool(np.quantile(lows, 0.25) >= reached[0] and np.quantile(highs, 0.75) <= reached[1])

    def misses(lows: Sequence[float], highs: Sequence[float]) -> bool:
        return bool(np.quantile(highs, 0.25) < reached[0] or np.quantile(lows, 0.75) > reached[1])

    lows, highs = means.ends(claim.alpha)
    ends = [tuple(float(np.quantile(side, q)) for side in (lows, highs)) for q in (0.25, 0.75)]
    values = np.quantile(means.values, (0.25, 0.5, 0.75))
    (first, third) = (f"{rounded(v)} {_interval_text(end)}" for v, end in zip(values[[0, 2]], ends, strict=True))
    words = f"quartiles {first} and {third} of {plural(len(groups), 'configuration')}, claimed {interval_text(bounds)}"
    return TestResult(
        words,
        float(values[1]),
        (_unfar(ends[0][0]), _unfar(ends[1][1])),
        len(evidence.values),
        means.level(holds),
        means.level(misses),
        means.needed(reached, claim.alpha),
        rows_of(groups, [reached] * len(groups), claim.alpha),
    )


def judge_best(claim: Claim, test: Best, evidence: Evidence) -> TestResult:
    """Some configuration's mean reaches the bound, the choice of the best among them paid for (Holm).

    It fails when no mean can be that good, and also when not one trial was.
    """
    sign = 1.0 if test.at_least is not None else -1.0
    bound = sign * (test.at_least if test.at_least is not None else test.at_most or 0.0)
    words_bound = f"{'at least' if sign > 0 else 'at most'} {rounded(sign * bound)}"
    top = max(sign * value for value in evidence.values)
    none_reached = top < bound
    words_none = f"; not one of {plural(len(evidence.values), 'trial')} reached it" if none_reached else ""
    if claim.over == "trials":
        words = f"best trial {rounded(sign * top)}, claimed {words_bound}"
        return TestResult(words, sign * top, None, len(evidence.values), float(none_reached), float(not none_reached))
    groups = evidence.measured
    flipped = [_flip(estimate(group.numbers), sign) for group in groups]
    p_reach = holm([one.p_above(bound) for one in flipped])
    p_miss = 0.0 if none_reached else max(one.p_below(bound, strict=True) for one in flipped)
    index = max(range(len(groups)), key=lambda i: flipped[i].mean)
    one = _flip(flipped[index], sign)
    words = f"best mean {rounded(one.mean)} {bracket(one.interval(1 - 2 * claim.alpha))} at {groups[index].label}, "
    words += f"claimed {words_bound}{words_none}"
    bounds = (sign * bound, math.inf) if sign > 0 else (-math.inf, sign * bound)
    rows = rows_of(groups, [bounds] * len(groups), claim.alpha)
    interval = one.interval(1 - 2 * claim.alpha)
    few = needed(one, bounds, claim.alpha / len(groups))
    return TestResult(words, one.mean, interval, one.n, min(p_reach), p_miss, few, rows)


def judge_share(claim: Claim, test: Share, evidence: Evidence) -> TestResult:
    """The share whose mean (or value) lies inside; those that diverged count, as not inside."""
    asked = f"at least {rounded(test.at_least)}" if test.at_least is not None else f"at most {rounded(test.at_most)}"
    bounds = (test.low, test.high)
    what = interval_text(bounds)
    if claim.over == "trials":
        return _share_of_trials(claim, test, evidence, f"{what}, claimed {asked}")
    groups = [group for group in evidence.groups if group.values or group.states[State.DIVERGED]]
    means = _Means([estimate(group.numbers) for group in groups if group.values])

    def shares(level: float) -> tuple[float, float]:
        lows, highs = means.ends(level)
        pairs = list(zip(lows, highs, strict=True))
        sure = sum(test.low <= low and high <= test.high for low, high in pairs)
        possible = sum(high >= test.low and low <= test.high for low, high in pairs)
        return sure / len(groups), possible / len(groups)

    def reaches(share: float) -> bool:
        return share >= test.at_least if test.at_least is not None else share <= (test.at_most or 0.0)

    def decided(level: float, wanted: bool) -> bool:
        return all(reaches(share) is wanted for share in shares(level))

    inside = sum(test.low <= mean <= test.high for mean in means.values)
    share, interval = inside / len(groups), shares(claim.alpha)
    words = f"{inside} of {plural(len(groups), 'configuration')} = {rounded(share)} {bracket(interval)} {what}"
    p_pass, p_fail = (_smallest(lambda level, w=wanted: decided(level, w)) for wanted in (True, False))  # type: ignore[misc]
    rows = rows_of(groups, [bounds] * len(groups), claim.alpha)
    most = means.needed(bounds, claim.alpha)
    return TestResult(f"{words}, claimed {asked}", share, interval, len(evidence.values), p_pass, p_fail, most, rows)


@dataclass(frozen=True, slots=True)
class _Means:
    """The means of configurations with their intervals at any level."""

    estimates: Sequence[Estimate]

    @property
    def values(self) -> list[float]:
        return [one.mean for one in self.estimates]

    def ends(self, alpha: float) -> tuple[list[float], list[float]]:
        """The lower and upper ends of the 1 - 2 alpha intervals, FAR for infinite ones."""
        errors = np.array([one.se for one in self.estimates])
        known = np.isfinite(errors)
        halves = half_width([one.df for one in self.estimates], np.where(known, errors, 0), 1 - 2 * alpha)
        halves = np.where(known, halves, FAR)
        middle = np.array(self.values)
        return (middle - halves).tolist(), (middle + halves).tolist()

    def level(self, decides: Callable[[Sequence[float], Sequence[float]], bool]) -> float:
        """The smallest level at which the intervals decide; 1 where they never do."""
        return _smallest(lambda level: decides(*self.ends(level)))

    def needed(self, bounds: Bounds, alpha: float) -> int | None:
        """How many seeds would put most of the undecided means on their side of the bounds."""
        unsure = [one for one in self.estimates if min(p_inside(one, bounds), p_outside(one, bounds)) > alpha]
        counts = sorted(count for one in unsure if (count := needed(one, bounds, alpha)))
        return counts[(len(counts) - 1) // 2] if counts else None


def _share_of_trials(claim: Claim, test: Share, evidence: Evidence, words: str) -> TestResult:
    values = evidence.values
    total = len(values) + evidence.states[State.DIVERGED]
    inside = sum(test.low <= value <= test.high for value in values)
    interval = share_interval(inside, total, 1 - 2 * claim.alpha)
    asked = test.at_least if test.at_least is not None else test.at_most or 0.0
    more = float(stats.binom.sf(inside - 1, total, asked))  # as many or more, if the share were what is asked
    fewer = float(stats.binom.cdf(inside, total, asked))
    p_pass, p_fail = (more, fewer) if test.at_least is not None else (fewer, more)
    words = f"{inside} of {plural(total, 'trial')} = {rounded(inside / total)} {bracket(interval)} {words}"
    return TestResult(words, inside / total, interval, total, p_pass, p_fail, _enough_trials(claim, test, evidence))


def _enough_trials(claim: Claim, test: Share, evidence: Evidence) -> int | None:
    """How many seeds would do for a share of trials, should the share stay as it is."""
    configs, seeds = len(evidence.groups), max(sum(group.states.values()) for group in evidence.groups)
    inside = sum(test.low <= value <= test.high for value in evidence.values) / max(len(evidence.values), 1)
    asked = test.at_least if test.at_least is not None else test.at_most or 0.0
    for more in range(seeds + 1, 201):
        low, high = share_interval(round(inside * configs * more), configs * more, 1 - 2 * claim.alpha)
        if low >= asked or high <= asked:
            return more
    return None


def _smallest(decides: Callable[[float], bool]) -> float:
    """The smallest of the levels at which something is decided: the narrower the intervals, the easier."""
    low, high = 0, len(_LEVELS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(float(_LEVELS[middle])) else (middle + 1, high)
    return float(_LEVELS[low]) if low < len(_LEVELS) else 1.0


def _flip(one: Estimate, sign: float) -> Estimate:
    return Estimate(sign * one.mean, one.se, one.df, one.n)


def _interval_text(ends: tuple[float, ...]) -> str:
    return bracket((_unfar(ends[0]), _unfar(ends[1])))


def _unfar(value: float) -> float:
    return value if abs(value) < FAR / 10 else math.copysign(math.inf, value)
