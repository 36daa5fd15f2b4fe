"""How well the trials of a sweep can decide a claim: the fewest that could, and the power of its test (Cohen 1988)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import bdtrc, betaincinv, nctdtr, nctdtrinc, stdtrit

from sweeper.analysis.claims.pairs import FEWEST_PAIRS, numbers_taken
from sweeper.analysis.evidence import Evidence, collect, value_of
from sweeper.analysis.pairing import blocks, contrasts, pairings, settings
from sweeper.analysis.statistics import POWER, estimate, means_by_seed
from sweeper.spec.claims.records import (
    Against,
    Best,
    Claim,
    Compare,
    Equivalent,
    Interaction,
    Mean,
    Monotone,
    Share,
    Typical,
    Within,
)
from sweeper.trial import Record


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

    def power(self, size: float, sd: float, *, both_ends: bool) -> float | None:
        """The chance to pass where the truth lies so far inside its bound, or inside both."""
        return None


@dataclass(frozen=True, slots=True)
class MeanDesign(Design):
    """One-sided t tests at level `alpha`: `passing` of `tests` must pass, each of `each` values a unit.

    A test has as many degrees of freedom as values less `groups`. `efficiency` is that of a rank test against it.
    """

    alpha: float = 0.05
    tests: int = 1
    passing: int = 1
    each: int = 1
    groups: int = 1
    efficiency: float = 1.0

    def distance(self, found: int, sd: float) -> float | None:
        values = found * self.each
        if found < self.fewest or values <= self.groups:
            return None
        one = float(betaincinv(self.passing, self.tests - self.passing + 1, POWER))  # what each must have
        freedom = values - self.groups
        shift = float(nctdtrinc(freedom, 1 - one, stdtrit(freedom, 1 - self.alpha)))
        return shift * sd / math.sqrt(values * self.efficiency)

    def power(self, size: float, sd: float, *, both_ends: bool) -> float | None:
        values = self.found * self.each
        if self.found < self.fewest or values <= self.groups:
            return None
        freedom = values - self.groups
        shift = size / sd * math.sqrt(values * self.efficiency) if sd else math.inf
        missed = float(nctdtr(freedom, shift, stdtrit(freedom, 1 - self.alpha))) if shift < 1e3 else 0.0
        one = max(0.0, 1 - (2 if both_ends else 1) * missed)
        return float(bdtrc(self.passing - 1, self.tests, one))  # at least `passing` of the tests


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


def design(claim: Claim, records: Sequence[Record], claims: Sequence[Claim], *, measured: bool) -> Design | None:
    """What these trials give to the claim: those with a value, or (not `measured`) all; None for an unknown kind.

    A claim of a family of `claims` is tested at the level that Holm's correction leaves at worst.
    """
    evidence = collect(records, claim.metric, claim.where)
    configs, chosen = len(evidence.groups), evidence.among(records)
    alpha = claim.alpha / max(1, sum(other.family == claim.family for other in claims if claim.family))
    match claim.test:
        case Compare() as test:
            return _compare(claim, test, chosen, alpha, measured)
        case Interaction() as test:
            return _interaction(claim, test, chosen, alpha, measured)
        case Monotone() as test:
            return _monotone(claim, test, chosen, alpha, measured)
        case Within() | Typical() | Best() if claim.over == "trials":
            return Design("trial", sum(_seeds(evidence, measured)), 1, max(1, configs))
        case Mean() | Equivalent() if claim.over == "trials":
            trials, per_seed = sum(_seeds(evidence, measured)), max(1, configs)
            return MeanDesign("trial", trials, 2, per_seed, alpha)
        case Share() as test if claim.over == "trials":
            return _share(test, evidence, alpha, measured)
        case Within() | Mean() | Against() | Typical() | Best() | Share() | Equivalent():
            return _configurations(claim, evidence, alpha, measured)
    return None


def claimed_size(claim: Claim) -> tuple[float, bool]:
    """How large the effect or the margin is that a claim names (0: it names none), and whether it has two ends."""
    match claim.test:
        case Compare() | Interaction() as test:
            return test.min_gain or test.margin, False
        case Equivalent() as test:
            return test.margin, True
        case Against() as test:
            return test.tolerance, True
        case Within(low, high) | Typical(low, high) if math.isfinite(high - low):
            return (high - low) / 2, True
    return 0.0, False


def deviations(claim: Claim, records: Sequence[Record]) -> list[list[float]]:
    """The values whose spread the claim's test looks at, in groups with a mean of their own."""
    if not isinstance(claim.test, Compare | Interaction | Monotone):
        return values_of_seeds(claim, records)
    chosen = collect(records, claim.metric, claim.where).among(records)
    if isinstance(claim.test, Monotone):
        return [[ends[-1] - ends[0] for ends in _ladders(claim, claim.test, chosen, measured=True)]]
    if isinstance(claim.test, Interaction):
        return [means_by_seed([one.values for one in contrasts(chosen, claim.metric, claim.test.corners)])]
    found = pairings(chosen, claim.metric, claim.test.first, claim.test.second)
    return [[gain for pairing in found for gain in pairing.gains]]


def values_of_seeds(claim: Claim, records: Sequence[Record]) -> list[list[float]]:
    """The claim's metric by configuration, or that of all trials where it is about them."""
    evidence = collect(records, claim.metric, claim.where)
    return [evidence.values] if claim.over == "trials" else [group.numbers for group in evidence.measured]


def pooled_sd(groups: Sequence[Sequence[float]]) -> tuple[float, int] | None:
    """The standard deviation within groups and how many values it is from; None with no group of two values."""
    parts = [estimate(group) for group in groups if len(group) > 1]
    freedom = math.fsum(part.df for part in parts)
    if not freedom:
        return None
    return math.sqrt(math.fsum(part.df * part.n * part.se**2 for part in parts) / freedom), sum(p.n for p in parts)


def power_of(claim: Claim, records: Sequence[Record], claims: Sequence[Claim]) -> float | None:
    """The power at the claimed size, with the spread and the number of the results; None where no size is claimed.

    The size is `min_gain`, a margin, a tolerance, or half the width of an interval: the chance of telling an effect of
    that size from none, or a truth in the middle from one at an end.
    """
    size, both_ends = claimed_size(claim)
    spread = pooled_sd(deviations(claim, records)) if size else None
    made = design(claim, records, claims, measured=True) if spread else None
    return made.power(size, spread[0], both_ends=both_ends) if made and spread else None


def _compare(claim: Claim, test: Compare, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    found = pairings(records, claim.metric, test.first, test.second)
    pairs = sum(len(pairing.gains) + (0 if measured else pairing.lost) for pairing in found)
    return MeanDesign("pair", pairs, FEWEST_PAIRS, max(1, len(found)), alpha)


def _interaction(claim: Claim, test: Interaction, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    seeds: set[int] = set()
    keys = {settings(chosen) for chosen, _ in test.corners}
    for block in blocks(records, tuple(test.low)):
        found = [block.records[key] for key in keys & block.records.keys()]
        if len(found) == len(keys) and not (measured and any(value_of(r, claim.metric) is None for r in found)):
            seeds.add(block.seed)
    return MeanDesign("seed", len(seeds), FEWEST_PAIRS, alpha=alpha)


def _monotone(claim: Claim, test: Monotone, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    levels = max(2, len(numbers_taken(records, test.parameter)))
    found = len(_ladders(claim, test, records, measured=measured))
    seeds = len({record.trial.seed for record in records})
    fewest = max(2, math.ceil(-math.log(alpha) / math.lgamma(levels + 1))) if levels > 2 else 2
    # Page's test against a t test of the last level less the first: Pitman's efficiency for a linear trend.
    efficiency = levels**2 / (2 * math.pi * (levels - 1)) if levels > 2 else 1.0
    return MeanDesign("block", found, fewest, max(1.0, found / max(1, seeds)), alpha, efficiency=efficiency)


def _ladders(claim: Claim, test: Monotone, records: Sequence[Record], *, measured: bool) -> list[list[float]]:
    """The metric at every value of the parameter, where all have a trial; 0 for a trial without a value."""
    levels = numbers_taken(records, test.parameter)
    keys = [settings({test.parameter: level}) for level in levels]
    ladders = []
    for block in blocks(records, (test.parameter,)) if len(levels) > 1 else ():
        found = [block.records.get(key) for key in keys]
        values = [value_of(record, claim.metric) if record else None for record in found]
        if None not in values or (not measured and None not in found):
            ladders.append([value or 0.0 for value in values])
    return ladders


def _share(test: Share, evidence: Evidence, alpha: float, measured: bool) -> Design:
    trials = sum(_seeds(evidence, measured))
    fewest = math.ceil(math.log(alpha) / math.log(test.asked) - 1e-9) if 0 < test.asked < 1 else 1
    return ShareDesign("trial", trials, fewest, max(1, len(evidence.groups)), alpha, test.asked)


def _configurations(claim: Claim, evidence: Evidence, alpha: float, measured: bool) -> Design:
    """A mean for each configuration, of which all, some, or one must pass."""
    seeds = _seeds(evidence, measured)
    fewest, count = min(seeds, default=0), max(1, len(seeds))
    if isinstance(claim.test, Equivalent):
        return MeanDesign("seed", max(seeds, default=0), 2, alpha=alpha, each=count, groups=count)
    passing = count
    if isinstance(claim.test, Best):
        return MeanDesign("seed", fewest, 2, alpha=alpha / count)
    if isinstance(claim.test, Typical):
        passing = count - math.floor(0.25 * (count - 1))
    elif isinstance(claim.test, Share):
        passing = max(1, math.ceil(claim.test.asked * count - 1e-9))
    return MeanDesign("seed", fewest, 2, alpha=alpha, tests=count, passing=passing)


def _seeds(evidence: Evidence, measured: bool) -> list[int]:
    """For each configuration how many values it has, or trials."""
    counts = [len(group.values) if measured else sum(group.states.values()) for group in evidence.groups]
    return [count for count in counts if count or not measured]
