"""Claims about changes of a parameter, all else and the seed being equal: compare and monotone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from scipy import stats

from sweeper.analysis.claims.methods import Sampler, gain_sampler_of, seeds_needed
from sweeper.analysis.claims.verdict import Outcome, TestResult, VerdictRow, bracket, finite, unjudged
from sweeper.analysis.evidence import value_of
from sweeper.analysis.mean_tests import MeanTest
from sweeper.analysis.pairing import PairingBlock, blocks, pairings, settings
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import Estimate, effect_size, enough, estimate, holm, means_by_seed
from sweeper.spec.claims.records import Claim, Compare, Interaction, Monotone
from sweeper.trial import Params, Record, Value
from sweeper.value_text import plural, show

FEWEST_PAIRS = 6  # outcomes are bimodal: five agreeing pairs come from a fair coin once in sixteen, both ways counted


def judge_compare(claim: Claim, test: Compare, records: Sequence[Record]) -> TestResult:
    """A test of the gain, `first` less `second`, paired by configuration and seed: one value per seed."""
    found = pairings(records, claim.measure, test.first, test.second)
    gains = [gain for pairing in found for gain in pairing.gains]
    if not gains:
        ended = "have both ended with a value" if found else "differ in that alone"
        return unjudged(f"no two trials {ended}: {_settings(test.first)} and {_settings(test.second)}")
    by_seed = means_by_seed([pairing.by_seed for pairing in found])
    sampler, alpha = gain_sampler_of(claim), claim.alpha
    one = sampler(by_seed)
    interval = one.interval(1 - 2 * alpha)
    text = (
        f"gain {rounded(one.mean)} {bracket(interval)}, claimed {asked_text(test)}, over {plural(len(gains), 'pair')}"
    )
    text += f" of {plural(one.n, 'seed')}" if one.n < len(gains) else ""
    size = effect_size(by_seed)
    text += f" (d = {size:.2g})" if math.isfinite(size) else ""
    lost = sum(pairing.lost for pairing in found)
    text += f", {plural(lost, 'pair')} lost" if lost else ""
    reservation = f"a paired claim needs {FEWEST_PAIRS} pairs" if len(gains) < FEWEST_PAIRS else ""
    p_pass, p_fail = p_for(test, one), p_against(test, one)
    seeds = seeds_for(test, one, alpha, len(found))
    rows = gain_rows([(one.label, one.gains) for one in found], test, alpha, sampler)
    return TestResult(text, one.mean, interval, len(gains), p_pass, p_fail, seeds, rows, reservation)


def judge_monotone(claim: Claim, test: Monotone, records: Sequence[Record]) -> TestResult:
    """Page's trend test over blocks of all other settings and seed; it fails where a single step goes back (Holm).

    The effect is the paired difference between the last value of the parameter and the first. Two values only: the
    paired t test of that difference.
    """
    levels = numbers_taken(records, test.parameter)
    if len(levels) < 2:
        return unjudged(f"{test.parameter} takes fewer than two numbers here")
    whole = [values for block in blocks(records, (test.parameter,)) if (values := _along(block, levels, claim, test))]
    if not whole:
        return unjudged(f"nowhere do all {len(levels)} values of {test.parameter} have a result, all else equal")
    table, sign = np.array(whole), 1.0 if test.increasing else -1.0
    steps = [estimate(column.tolist()) for column in np.diff(table, axis=1).T]
    back = holm([step.p_below(0, strict=True) if test.increasing else step.p_above(0, strict=True) for step in steps])
    total = estimate((table[:, -1] - table[:, 0]).tolist())
    p_rise, p_fall = _trend(sign * table)
    interval = total.interval(1 - 2 * claim.alpha)
    direction = "rise" if test.increasing else "fall"
    text = f"{rounded(total.mean)} {bracket(interval)} from {test.parameter}={show(levels[0])} to {show(levels[-1])}, "
    text += f"claimed to {direction}, over {plural(len(whole), 'block')} of equal settings and seed"
    reversed_ = [index for index, p in enumerate(back) if p <= claim.alpha]
    if reversed_:
        names = ", ".join(f"{show(levels[i])} to {show(levels[i + 1])}" for i in reversed_)
        text += f"; goes back from {names}"
    reservation = "" if len(whole) > 1 else "one block alone does not generalize to others"
    rows = _steps(levels, steps, back, sign, claim.alpha)
    few = enough(total, [0.0], claim.alpha) if sign * total.mean > 0 else None
    per_seed = max(len(whole) / max(len({r.trial.seed for r in records}), 1), 1)
    seeds = math.ceil(few / per_seed) if few else None
    p_pass = 1.0 if reversed_ else p_rise
    p_fail = min(1.0, 2 * min([p_fall, *back]))  # either of two tests makes it fail (Bonferroni)
    return TestResult(text, total.mean, interval, len(whole), p_pass, p_fail, seeds, rows, reservation)


def seeds_for(test: Compare | Interaction, one: MeanTest, alpha: float, per_seed: int = 1) -> int | None:
    """How many seeds would do, of which each brings so many pairs, FEWEST_PAIRS at least; None: unknown."""
    few = seeds_needed(one, [test.bound], alpha) or (1 if p_for(test, one) <= alpha else None)
    return max(math.ceil(FEWEST_PAIRS / per_seed), few) if few else None


def p_for(test: Compare | Interaction, one: MeanTest) -> float:
    """The p value for what is claimed of the gain. Greater by nothing in particular means more than 0."""
    if test.effect == "greater":
        return one.p_above(test.min_gain, strict=test.min_gain == 0)
    if test.effect == "less":
        return one.p_below(-test.min_gain, strict=test.min_gain == 0)
    return one.p_above(-test.margin) if test.effect == "not_lower" else one.p_below(test.margin)


def p_against(test: Compare | Interaction, one: MeanTest) -> float:
    """The p value for the opposite."""
    if test.effect == "greater":
        return one.p_below(test.min_gain, strict=test.min_gain > 0)
    if test.effect == "less":
        return one.p_above(-test.min_gain, strict=test.min_gain > 0)
    if test.effect == "not_lower":
        return one.p_below(-test.margin, strict=True)
    return one.p_above(test.margin, strict=True)


def asked_text(test: Compare | Interaction) -> str:
    bound = rounded(test.bound)
    if test.effect in ("greater", "less") and test.min_gain == 0:
        return "above 0" if test.effect == "greater" else "below 0"
    return f"at least {bound}" if test.effect in ("greater", "not_lower") else f"at most {bound}"


def gain_rows(
    gains: Iterable[tuple[str, Sequence[float]]], test: Compare | Interaction, alpha: float, sampler: Sampler
) -> tuple[VerdictRow, ...]:
    """A row for each choice of the other settings: its label, and the test of its gains alone."""
    rows = []
    for label, values in gains:
        if not values:
            rows.append(VerdictRow(label, "", "undecided", None, None, None, 0))
            continue
        one = sampler(values)
        low, high = (finite(end) for end in one.interval(1 - 2 * alpha))
        outcome = outcome_of(p_for(test, one), p_against(test, one), alpha)
        rows.append(VerdictRow(label, "", outcome, one.mean, low, high, one.n))
    return tuple(rows)


def _steps(
    levels: Sequence[float], steps: Sequence[Estimate], back: Sequence[float], sign: float, alpha: float
) -> tuple[VerdictRow, ...]:
    rows = []
    for (one, other), step, p in zip(pairwise(levels), steps, back, strict=True):
        low, high = (finite(end) for end in step.interval(1 - 2 * alpha))
        forward = step.p_above(0, strict=True) if sign > 0 else step.p_below(0, strict=True)
        outcome = outcome_of(forward, p, alpha)
        rows.append(VerdictRow(f"{show(one)} to {show(other)}", "", outcome, step.mean, low, high, step.n))
    return tuple(rows)


def outcome_of(p_pass: float, p_fail: float, alpha: float) -> Outcome:
    return "pass" if p_pass <= alpha else "fail" if p_fail <= alpha else "undecided"


def _trend(table: np.ndarray) -> tuple[float, float]:
    """The p values for a rise along the rows and for a fall."""
    if table.shape[1] == 2 or len(table) < 2:
        one = estimate((table[:, -1] - table[:, 0]).tolist())
        return one.p_above(0, strict=True), one.p_below(0)
    rise, fall = (float(stats.page_trend_test(data).pvalue) for data in (table, table[:, ::-1]))
    return rise, fall


def numbers_taken(records: Sequence[Record], name: str) -> list[float]:
    """The numbers that a parameter takes, ascending."""
    taken = {
        record.trial.params.get(name)
        for record in records
        if not isinstance(record.trial.params.get(name), list | dict)
    }
    return sorted(value for value in taken if isinstance(value, int | float) and not isinstance(value, bool))


def _along(block: PairingBlock, levels: Sequence[Value], claim: Claim, test: Monotone) -> list[float] | None:
    """The metric along the parameter, None where a value is missing."""
    found = [block.records.get(settings({test.parameter: level})) for level in levels]
    values = [value_of(record, claim.measure) if record else None for record in found]
    return None if None in values else [value for value in values if value is not None]


def _settings(params: Params) -> str:
    return ", ".join(f"{name}={show(value)}" for name, value in params.items())
