"""Which test judges a claim: the one that it names by `test:`, or its kind's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sweeper.analysis.mean_tests import BoundedMean, MeanTest, bootstrap_mean, bounded, sign_flip
from sweeper.analysis.rates import PairedRates, SuccessRate, paired_rates, success_rate
from sweeper.analysis.statistics import Estimate, Values, enough, estimate
from sweeper.spec.claims.records import (
    Best,
    Claim,
    Compare,
    Correlate,
    Dominates,
    Interaction,
    Monotone,
    Share,
    Success,
    Typical,
    Within,
)
from sweeper.trainer.metric_ranges import bundled_ranges
from sweeper.trial import Record

Sampler = Callable[[Values], MeanTest]
_BINOMIAL = "exact binomial test: assumes only independent seeds"


def with_range(claim: Claim, records: Sequence[Record]) -> Claim:
    """The claim with the range of its metric, where the bundled trainer declares one and the claim names none."""
    if isinstance(claim.measure, Success):
        return replace(claim, range=(0.0, 1.0))
    if isinstance(claim.test, Correlate):
        return replace(claim, range=(-1.0, 1.0))
    if isinstance(claim.test, Dominates):
        return claim  # each of its goals has its own
    if claim.range is not None or not records:
        return claim
    return replace(claim, range=bundled_ranges(records[0].trial.trainer).get(claim.metric))


def method_of(claim: Claim) -> str:
    """t, signflip, bootstrap or exact; "" where trials are counted and nothing is tested.

    Means of a metric whose range is known are tested exactly, as outcomes near an end of it are skewed and a rare bad
    seed is missing from most samples. So are gains that are claimed to lie beyond a number: seeds that lost nothing say
    little of a rare one that loses all. Gains above 0 are tested by t: settings that do not differ gain as often as
    they lose.
    """
    if claim.over == "trials" and isinstance(claim.test, Within | Typical | Best):
        return ""
    if isinstance(claim.test, Monotone) or (claim.over == "trials" and isinstance(claim.test, Share)):
        return "exact"
    if claim.success is not None:
        return "exact"
    if claim.method is not None:
        return claim.method
    if isinstance(claim.test, Dominates):
        return "t"
    above_0 = isinstance(claim.test, Compare | Interaction) and claim.test.bound == 0
    return "exact" if claim.range is not None and not above_0 else "t"


def sampler_of(claim: Claim) -> Sampler:
    """What makes the claim's test of a sample of single values of its metric."""
    method = method_of(claim)
    if claim.success is not None:
        return success_rate
    if method == "exact" and claim.range is not None:
        return bounded(*claim.range)
    return {"signflip": sign_flip, "bootstrap": bootstrap_mean}.get(method, estimate)


def gain_sampler_of(claim: Claim) -> Sampler:
    """The same for differences of two values, and for differences of two differences."""
    if claim.success is not None:
        return paired_rates
    return lambda gains: sampler_of(replace(claim, range=range_of_gains(claim, gains)))(gains)


def range_of_gains(claim: Claim, gains: Values) -> tuple[float, float] | None:
    """What gains there can be. On the side of 0 from the bound they end there, or at the last one seen.

    So a gain above a bound is weighed against seeds without any, a loss beyond a margin against seeds without one.
    Seeds on the far side of 0 take many more to exclude: `test: exact` by name does so.
    """
    if claim.range is None or not isinstance(claim.test, Compare | Interaction):
        return claim.range
    width = (claim.range[1] - claim.range[0]) * (1 if isinstance(claim.test, Compare) else 2)
    if claim.method is not None or claim.test.bound == 0:
        return -width, width
    return (min([0.0, *gains]), width) if claim.test.bound > 0 else (-width, max([0.0, *gains]))


def problem_of(claim: Claim, values: Values) -> str:
    """Why the claim's test cannot be used, "" if it can."""
    if method_of(claim) != "exact" or (isinstance(claim.test, Monotone | Share) and claim.over == "trials"):
        return ""
    if isinstance(claim.test, Monotone | Correlate | Dominates):
        return ""  # of ranks, of values in [-1, 1], and of goals that are asked one by one
    if claim.range is None:
        return f"test: exact needs the range of {claim.metric}: add range: [low, high] to the claim"
    low, high = claim.range
    slack = 1e-6 * (high - low)
    outside = [value for value in values if not low - slack <= value <= high + slack]
    return f"{claim.metric} is {outside[0]:g}, outside of its range [{low:g}, {high:g}]" if outside else ""


def seeds_needed(one: MeanTest, bounds: Sequence[float], alpha: float) -> int | None:
    """How many values would decide with 80 % power, should mean and spread stay so: by t but for the exact test."""
    if isinstance(one, Estimate):
        return enough(one, bounds, alpha)
    if isinstance(one, BoundedMean | SuccessRate | PairedRates):
        return one.enough(bounds, alpha)
    values = getattr(one, "values", ())
    count = enough(estimate(values), bounds, alpha)
    return max(count, fewest_signs(alpha)) if count else None


def fewest_signs(alpha: float) -> int:
    """The fewest values with which sign flips can reach this level: of their 2^n signs the best is one.

    >>> fewest_signs(0.05), fewest_signs(0.25)
    (5, 2)
    """
    return math.ceil(-math.log2(alpha) - 1e-9)


def assumption(claim: Claim) -> str:
    """What the test assumes, as a clause of the verdict's sentence."""
    if isinstance(claim.test, Monotone):
        return ""
    if claim.success is not None:
        pairs = isinstance(claim.test, Compare)
        return "exact test of paired rates: assumes only independent seeds" if pairs else _BINOMIAL
    if isinstance(claim.test, Dominates) and claim.method is None:
        return "better: t test; no worse: exact test where the range is known and a margin given, else t"
    texts = {
        "t": "t test: assumes roughly normal seeds",
        "signflip": "sign-flip test: assumes seeds symmetric about their mean",
        "bootstrap": "bootstrap (BCa): assumes that the seeds seen are like those to come",
    }
    if method_of(claim) == "exact" and claim.range is not None:
        if claim.over == "trials" and isinstance(claim.test, Share):
            return "exact test: assumes only independent seeds"
        low, high = range_of_gains(claim, ()) or claim.range
        if not isinstance(claim.test, Compare | Interaction):
            return f"exact test: assumes only the range [{low:g}, {high:g}]"
        seen = ", or to the last one seen" if 0 in (low, high) else ""
        return f"exact test: assumes only gains in [{low:g}, {high:g}]{seen}"
    return texts.get(method_of(claim), "")
