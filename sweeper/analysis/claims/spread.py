"""Claims about how configurations (or trials) spread: typical (quartiles), best, share. Over trials they are facts.

Over configurations each mean is tested, and a claim that so many of them lie inside is a partial conjunction: its
p value pays for the choice of which (Benjamini and Heller 2008). Without that, one of ten configurations on the edge is
taken for a good one in 40 % of sweeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sweeper.analysis.claims.means import (
    Bounds,
    interval_text,
    needed,
    p_inside,
    p_outside,
    reachable,
    rows_of,
    tests_of,
)
from sweeper.analysis.claims.methods import method_of, seeds_needed
from sweeper.analysis.claims.verdict import TestResult, bracket
from sweeper.analysis.evidence import Evidence
from sweeper.analysis.mean_tests import MeanTest, bounded
from sweeper.analysis.rates import success_rate
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import means_by_seed, partial_conjunction
from sweeper.spec.claims.records import Best, Claim, Share, Typical
from sweeper.trial import State
from sweeper.value_text import plural

FAR = 1e150  # stands for infinity: quantiles interpolate between finite numbers only


def judge_typical(claim: Claim, test: Typical, evidence: Evidence) -> TestResult:
    """Both quartiles, of the configurations' means or of the trials' values, lie inside."""
    bounds = (test.low, test.high)
    if claim.over == "trials":
        low, high = (float(q) for q in np.quantile(evidence.values, (0.25, 0.75)))
        inside = test.low <= low and high <= test.high
        text = f"quartiles {rounded(low)} and {rounded(high)} of {plural(len(evidence.values), 'trial')}"
        text += f", claimed {interval_text(bounds)}"
        middle = float(np.median(evidence.values))
        return TestResult(text, middle, None, len(evidence.values), float(not inside), float(inside))
    groups = evidence.measured
    reached = bounds if method_of(claim) == "exact" else reachable(bounds, evidence.values)
    tests = [one for one in tests_of(claim, groups) if one]
    values = np.quantile([one.mean for one in tests], (0.25, 0.5, 0.75))
    ends = np.array([_finite_ends(one.interval(1 - 2 * claim.alpha)) for one in tests])
    first, third = (np.quantile(ends, q, axis=0) for q in (0.25, 0.75))
    shown = (f"{rounded(v)} {_interval_text(end)}" for v, end in zip(values[[0, 2]], (first, third), strict=True))
    text = f"quartiles {' and '.join(shown)} of {plural(len(groups), 'configuration')}, claimed {interval_text(bounds)}"
    sides = [[p_inside(one, side) for one in tests] for side in ((reached[0], math.inf), (-math.inf, reached[1]))]
    beyond = [[p_outside(one, side) for one in tests] for side in ((reached[0], math.inf), (-math.inf, reached[1]))]
    rank = 0.25 * (len(groups) - 1)  # a quartile lies between the means of these two ranks
    return TestResult(
        text,
        float(values[1]),
        (_unfar(first[0]), _unfar(third[1])),
        len(evidence.values),
        max(partial_conjunction(side, len(groups) - math.floor(rank)) for side in sides),
        min(partial_conjunction(side, math.ceil(rank) + 1) for side in beyond),
        _needed(tests, reached, claim.alpha),
        rows_of(groups, tests, [reached] * len(groups), claim.alpha),
    )


def judge_best(claim: Claim, test: Best, evidence: Evidence) -> TestResult:
    """Some configuration's mean reaches the bound, the choice of the best among them paid for (Simes).

    It fails when no mean can be that good, and, but for success rates, also when not one trial was.
    """
    sign = 1.0 if test.at_least is not None else -1.0
    bound = sign * (test.at_least if test.at_least is not None else test.at_most or 0.0)
    bound_text = f"{'at least' if sign > 0 else 'at most'} {rounded(sign * bound)}"
    top = max(sign * value for value in evidence.values)
    none_reached = top < bound and claim.success is None
    none_text = f"; not one of {plural(len(evidence.values), 'trial')} reached it" if none_reached else ""
    if claim.over == "trials":
        text = f"best trial {rounded(sign * top)}, claimed {bound_text}"
        return TestResult(text, sign * top, None, len(evidence.values), float(none_reached), float(not none_reached))
    groups = evidence.measured
    tests = [one for one in tests_of(claim, groups) if one]
    bounds = (sign * bound, math.inf) if sign > 0 else (-math.inf, sign * bound)
    p_reach = partial_conjunction([p_inside(one, bounds) for one in tests], 1)
    p_miss = 0.0 if none_reached else max(p_outside(one, bounds) for one in tests)
    index = max(range(len(tests)), key=lambda i: sign * tests[i].mean)
    one = tests[index]
    interval = one.interval(1 - 2 * claim.alpha)
    text = (
        f"best {'rate' if claim.success else 'mean'} {rounded(one.mean)} {bracket(interval)} at {groups[index].label}, "
    )
    rows = rows_of(groups, tests, [bounds] * len(groups), claim.alpha)
    reached = sum(row.outcome == "pass" for row in rows)
    alone = f"; {reached} of {plural(len(rows), 'configuration')} reach it by themselves" if reached > 1 else ""
    text += f"claimed {bound_text}{none_text}{alone}"
    few = needed(one, bounds, claim.alpha / len(groups))
    return TestResult(text, one.mean, interval, one.n, p_reach, p_miss, few, rows)


def judge_share(claim: Claim, test: Share, evidence: Evidence) -> TestResult:
    """The share whose mean (or value) lies inside; those that diverged count, as not inside."""
    asked = f"at least {rounded(test.at_least)}" if test.at_least is not None else f"at most {rounded(test.at_most)}"
    bounds = (test.low, test.high)
    what = interval_text(bounds)
    if claim.over == "trials":
        return _share_of_trials(claim, test, evidence, f"{what}, claimed {asked}")
    groups = [group for group in evidence.groups if group.values or group.states[State.DIVERGED]]
    alpha, total, all_tests = claim.alpha, len(groups), tests_of(claim, groups)
    tests = [one for one in all_tests if one]
    diverged = total - len(tests)
    p_in = [*(p_inside(one, bounds) for one in tests), *[1.0] * diverged]
    p_out = [*(p_outside(one, bounds) for one in tests), *[0.0] * diverged]
    if test.at_least is not None:
        fewest = math.ceil(test.at_least * total - 1e-9)
        p_pass = partial_conjunction(p_in, fewest)
        p_fail = partial_conjunction(p_out, total - fewest + 1)
    else:
        most_inside = math.floor((test.at_most or 0.0) * total + 1e-9)
        p_pass = partial_conjunction(p_out, total - most_inside)
        p_fail = partial_conjunction(p_in, most_inside + 1)
    inside = sum(test.low <= one.mean <= test.high for one in tests)
    sure, out = (max(u for u in range(total + 1) if partial_conjunction(p, u) <= alpha) for p in (p_in, p_out))
    share, interval = inside / total, (sure / total, 1 - out / total)
    text = f"{inside} of {plural(total, 'configuration')} = {rounded(share)} {bracket(interval)} {what}"
    rows = rows_of(groups, all_tests, [bounds] * total, alpha)
    more = _needed(tests, bounds, alpha)
    return TestResult(f"{text}, claimed {asked}", share, interval, len(evidence.values), p_pass, p_fail, more, rows)


def _needed(tests: Sequence[MeanTest], bounds: Bounds, alpha: float) -> int | None:
    """How many seeds would put most of the undecided means on their side of the bounds."""
    unsure = [one for one in tests if min(p_inside(one, bounds), p_outside(one, bounds)) > alpha]
    counts = sorted(count for one in unsure if (count := needed(one, bounds, alpha)))
    return counts[(len(counts) - 1) // 2] if counts else None


def _finite_ends(ends: tuple[float, float]) -> tuple[float, float]:
    return max(ends[0], -FAR), min(ends[1], FAR)


def _share_of_trials(claim: Claim, test: Share, evidence: Evidence, text: str) -> TestResult:
    """The values are 1 and 0. Trials of one seed share data and first weights: each seed is one draw, its own share."""
    asked = test.at_least if test.at_least is not None else test.at_most or 0.0
    groups, total, inside = evidence.measured, len(evidence.values), round(sum(evidence.values))
    shares = means_by_seed([group.values for group in groups])
    one: MeanTest = success_rate(shares) if len(groups) == 1 else bounded(0.0, 1.0)(shares)
    p_pass, p_fail = one.p_above(asked), one.p_below(asked, strict=True)
    if test.at_least is None:
        p_pass, p_fail = one.p_below(asked), one.p_above(asked, strict=True)
    interval = one.interval(1 - 2 * claim.alpha)
    text = f"{inside} of {plural(total, 'trial')} = {rounded(one.mean)} {bracket(interval)} {text}"
    text += f", over {plural(one.n, 'seed')}" if len(groups) > 1 else ""
    return TestResult(text, one.mean, interval, total, p_pass, p_fail, seeds_needed(one, [asked], claim.alpha))


def _interval_text(ends: tuple[float, ...]) -> str:
    return bracket((_unfar(ends[0]), _unfar(ends[1])))


def _unfar(value: float) -> float:
    return value if abs(value) < FAR / 10 else math.copysign(math.inf, value)
