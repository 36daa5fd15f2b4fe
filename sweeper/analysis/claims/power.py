"""How well the trials of a sweep can decide a claim: the fewest that could, and the power of the test that it has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sweeper.analysis.claims.contrasts import goal_claim
from sweeper.analysis.claims.correlations import FEWEST_POINTS, correlations, points_by_seed
from sweeper.analysis.claims.methods import fewest_signs, method_of, range_of_gains, with_range
from sweeper.analysis.claims.pairs import FEWEST_PAIRS, numbers_taken
from sweeper.analysis.designs import BoundedDesign, Design, MeanDesign, MeanRegion, ShareDesign
from sweeper.analysis.evidence import Evidence, value_of
from sweeper.analysis.pairing import blocks, contrasts, pairings, settings
from sweeper.analysis.statistics import estimate, means_by_seed
from sweeper.spec.claims.records import (
    Against,
    Best,
    Claim,
    Compare,
    Correlate,
    Dominates,
    Equivalent,
    Interaction,
    Mean,
    Monotone,
    Share,
    Typical,
    Within,
)
from sweeper.trial import Record


def design(
    claim: Claim, evidence: Evidence, records: Sequence[Record], claims: Sequence[Claim], *, measured: bool
) -> Design | None:
    """What these trials give to the claim: those with a value, or (not `measured`) all; None for an unknown kind.

    `evidence` is what the trials say about the claim. A claim of a family of `claims` is tested at the level that
    Holm's correction leaves at worst.
    """
    claim, configs, chosen = with_range(claim, records), len(evidence.groups), evidence.among(records)
    alpha = claim.alpha / max(1, sum(other.family == claim.family for other in claims if claim.family))
    match claim.test:
        case Compare() as test:
            return _compare(claim, test, chosen, alpha, measured)
        case Dominates() as test:
            return _dominates(claim, test, chosen, measured)
        case Correlate() as test:
            return _correlate(claim, test, chosen, alpha, measured)
        case Interaction() as test:
            return _interaction(claim, test, chosen, alpha, measured)
        case Monotone() as test:
            return _monotone(claim, test, chosen, alpha, measured)
        case Within() | Typical() | Best() if claim.over == "trials":
            return Design("trial", sum(_seeds(evidence, measured)), 1, max(1, configs))
        case Mean() | Equivalent() if claim.over == "trials":
            return _tested(claim, MeanDesign("seed", max(_seeds(evidence, measured), default=0), 2, alpha=alpha))
        case Share() as test if claim.over == "trials":
            return _rate(claim, test.asked, evidence, alpha, measured)
        case Mean(at_least, at_most) | Best(at_least, at_most) if claim.success is not None:
            asked = at_least if at_least is not None else 1 - (at_most or 0.0)
            choices = configs if isinstance(claim.test, Best) else 1
            return _rate(claim, asked, evidence, alpha / choices, measured, each=True)
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


def deviations(claim: Claim, evidence: Evidence, records: Sequence[Record]) -> list[list[float]]:
    """The values whose spread the claim's test looks at, in groups with a mean of their own."""
    if isinstance(claim.test, Equivalent) or (isinstance(claim.test, Mean) and claim.over == "trials"):
        return [means_by_seed([group.values for group in evidence.measured])]
    if isinstance(claim.test, Dominates):
        return []  # its goals have units of their own
    if not isinstance(claim.test, Compare | Correlate | Interaction | Monotone):
        return values_of_seeds(claim, evidence)
    chosen = evidence.among(records)
    if isinstance(claim.test, Correlate):
        return [[*correlations(points_by_seed(chosen, claim.test), claim.test).values()]]
    if isinstance(claim.test, Monotone):
        return [[ends[-1] - ends[0] for ends in _ladders(claim, claim.test, chosen, measured=True)]]
    if isinstance(claim.test, Interaction):
        return [means_by_seed([one.values for one in contrasts(chosen, claim.measure, claim.test.corners)])]
    found = pairings(chosen, claim.measure, claim.test.first, claim.test.second)
    return [means_by_seed([pairing.by_seed for pairing in found])]


def values_of_seeds(claim: Claim, evidence: Evidence) -> list[list[float]]:
    """The claim's metric by configuration, or that of all trials where it is about them."""
    return [evidence.values] if claim.over == "trials" else [group.numbers for group in evidence.measured]


def pooled_sd(groups: Sequence[Sequence[float]]) -> tuple[float, int] | None:
    """The standard deviation within groups and how many values it is from; None with no group of two values."""
    parts = [estimate(group) for group in groups if len(group) > 1]
    freedom = math.fsum(part.df for part in parts)
    if not freedom:
        return None
    return math.sqrt(math.fsum(part.df * part.n * part.se**2 for part in parts) / freedom), sum(p.n for p in parts)


def power_of(claim: Claim, evidence: Evidence, records: Sequence[Record], claims: Sequence[Claim]) -> float | None:
    """The power at the claimed size, with the spread and the number of the results; None where no size is claimed.

    The size is `min_gain`, a margin, a tolerance, or half the width of an interval: the chance of telling an effect of
    that size from none, or a truth in the middle from one at an end.
    """
    size, both_ends = claimed_size(claim)
    spread = pooled_sd(deviations(claim, evidence, records)) if size else None
    made = design(claim, evidence, records, claims, measured=True) if spread else None
    return made.power(size, spread[0], both_ends=both_ends) if made and spread else None


def _compare(claim: Claim, test: Compare, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    found = pairings(records, claim.measure, test.first, test.second)
    pairs = sum(len(pairing.gains) + (0 if measured else pairing.lost) for pairing in found)
    per_seed = max(1, len(found))
    return _tested(claim, MeanDesign("pair", pairs, FEWEST_PAIRS, per_seed, alpha, each=1 / per_seed))


def _dominates(claim: Claim, test: Dominates, records: Sequence[Record], measured: bool) -> Design:
    """Of the goals' own designs the one that asks most: all must pass. Better in one is asked of no fewer pairs."""
    made = []
    for goal in test.goals:
        one = with_range(goal_claim(claim, test, goal, better=False), records)
        assert isinstance(one.test, Compare)
        made.append(_compare(one, one.test, records, claim.alpha, measured))
    most = max(made, key=lambda one: one.fewest)
    return Design(most.unit, min(one.found for one in made), most.fewest, most.per_seed)


def _correlate(claim: Claim, test: Correlate, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    if measured:
        return _tested(claim, MeanDesign("seed", len(points_by_seed(records, test)), 2, alpha=alpha))
    configs = Counter(record.trial.seed for record in records)
    seeds = sum(count >= FEWEST_POINTS for count in configs.values())
    return _tested(claim, MeanDesign("seed", seeds, 2, alpha=alpha))


def _interaction(claim: Claim, test: Interaction, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    seeds: set[int] = set()
    keys = {settings(chosen) for chosen, _ in test.corners}
    for block in blocks(records, tuple(test.low)):
        found = [block.records[key] for key in keys & block.records.keys()]
        if len(found) == len(keys) and not (measured and any(value_of(r, claim.measure) is None for r in found)):
            seeds.add(block.seed)
    return _tested(claim, MeanDesign("seed", len(seeds), FEWEST_PAIRS, alpha=alpha))


def _monotone(claim: Claim, test: Monotone, records: Sequence[Record], alpha: float, measured: bool) -> Design:
    levels = max(2, len(numbers_taken(records, test.parameter)))
    found = len(_ladders(claim, test, records, measured=measured))
    seeds = len({record.trial.seed for record in records})
    fewest = max(2, math.ceil(-math.log(claim.alpha) / math.lgamma(levels + 1))) if levels > 2 else 2
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
        values = [value_of(record, claim.measure) if record else None for record in found]
        if None not in values or (not measured and None not in found):
            ladders.append([value or 0.0 for value in values])
    return ladders


def _rate(
    claim: Claim, asked: float, evidence: Evidence, alpha: float, measured: bool, *, each: bool = False
) -> Design:
    """A success rate over seeds: of `each` configuration by itself, or of all together, one value per seed.

    What can never pass is reckoned at the claim's whole alpha, and as if all seeds succeeded.
    """
    seeds = _seeds(evidence, measured)
    clusters = len(seeds) > 1 and not each
    level = claim.alpha / 2 if clusters else claim.alpha
    fewest = math.ceil(math.log(level) / math.log(asked) - 1e-9) if 0 < asked < 1 else 1
    return ShareDesign("seed", (min if each else max)(seeds, default=0), fewest, 1.0, alpha, asked)


def _configurations(claim: Claim, evidence: Evidence, alpha: float, measured: bool) -> Design:
    """A mean for each configuration, of which all, some, or one must pass."""
    seeds = _seeds(evidence, measured)
    fewest, count = min(seeds, default=0), max(1, len(seeds))
    if isinstance(claim.test, Equivalent):
        return _tested(claim, MeanDesign("seed", max(seeds, default=0), 2, alpha=alpha))
    passing = count
    if isinstance(claim.test, Best):
        return _tested(claim, MeanDesign("seed", fewest, 2, alpha=alpha / count))
    if isinstance(claim.test, Typical):
        passing = count - math.floor(0.25 * (count - 1))
    elif isinstance(claim.test, Share):
        passing = max(1, math.ceil(claim.test.asked * count - 1e-9))
    return _tested(claim, MeanDesign("seed", fewest, 2, alpha=alpha, tests=count, passing=passing))


def _tested(claim: Claim, made: MeanDesign) -> Design:
    """The design with the claim's own test in place of t. What can never pass is reckoned at its whole alpha."""
    method, region = method_of(claim), _region(claim)
    fewest = made.fewest
    if method == "exact" and region is not None:
        fewest = max(fewest, math.ceil(region.fewest(claim.alpha) / made.each - 1e-9))
        return BoundedDesign(
            made.unit, made.found, fewest, made.per_seed, made.alpha, made.tests, made.passing, made.each, region
        )
    if method == "signflip":
        fewest = max(fewest, math.ceil(fewest_signs(claim.alpha) / made.each - 1e-9))
    return replace(made, fewest=fewest)


def _region(claim: Claim) -> MeanRegion | None:
    """Where the claim's means must lie, and what values they are of; None without a range, or where a table has it."""
    if claim.range is None:
        return None
    low, high = claim.range
    match claim.test:
        case Compare(effect=effect, bound=bound) | Interaction(effect=effect, bound=bound):
            low, high = range_of_gains(claim, ()) or claim.range
            up = effect in ("greater", "not_lower")
            return MeanRegion(low, high, *((bound, math.inf) if up else (-math.inf, bound)))
        case Mean(least, most) | Best(least, most) | Correlate(_, _, least, most):
            return MeanRegion(low, high, -math.inf if least is None else least, math.inf if most is None else most)
        case Equivalent(to, margin):
            return MeanRegion(low, high, to - margin, to + margin)
        case Within(above, below) | Typical(above, below):
            return MeanRegion(low, high, above, below)
        case Share(above, below, at_most=None):
            return MeanRegion(low, high, above, below)
        case Share(above, below) if below == math.inf:  # most must lie on the other side
            return MeanRegion(low, high, below=above)
        case Share(above, below) if above == -math.inf:
            return MeanRegion(low, high, above=below)
    return None


def _seeds(evidence: Evidence, measured: bool) -> list[int]:
    """For each configuration how many values it has, or trials."""
    counts = [len(group.values) if measured else sum(group.states.values()) for group in evidence.groups]
    return [count for count in counts if count or not measured]
