"""Claims about differences of differences: interaction. Each seed gives one value, however many settings share it."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.analysis.claims.methods import gain_sampler_of, seeds_needed
from sweeper.analysis.claims.pairs import FEWEST_PAIRS, asked_text, gain_rows, p_against, p_for
from sweeper.analysis.claims.verdict import TestResult, VerdictRow, bracket, format_list, unjudged
from sweeper.analysis.pairing import Contrast, contrasts
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import Estimate, estimate, holm, means_by_seed
from sweeper.spec.claims.records import Claim, Interaction
from sweeper.trial import Record
from sweeper.value_text import plural, show


def judge_interaction(claim: Claim, test: Interaction, records: Sequence[Record]) -> TestResult:
    """A test of the difference of differences, one value per seed: its mean over the choices of all other settings.

    It cannot pass where some choice of the other settings shows the opposite (Holm over them): such are not pooled.
    """
    found = contrasts(records, claim.measure, test.corners)
    by_seed = means_by_seed([contrast.values for contrast in found])
    if not by_seed:
        changed = ", ".join(f"{name}: {show(low)} and {show(test.high[name])}" for name, low in test.low.items())
        why = "has ended with all four values" if found else "has all four trials"
        return unjudged(f"no seed {why} of {changed}, all else equal")
    sampler, alpha = gain_sampler_of(claim), claim.alpha
    one = sampler(by_seed)
    text = f"together {_signed(one.mean)} {bracket(one.interval(1 - 2 * alpha))} beyond the sum of each alone, "
    text += f"claimed {asked_text(test)}, over {plural(one.n, 'seed')}"
    lost = sum(contrast.lost for contrast in found)
    text += f", {plural(lost, 'block')} of four lost" if lost else ""
    rows = gain_rows([(one.label, [*one.values.values()]) for one in found], test, alpha, sampler)
    text += spread_text(rows)
    p_pass, p_fail = p_for(test, one), p_against(test, one)
    most = max(FEWEST_PAIRS if p_pass <= alpha else 0, seeds_needed(one, [test.bound], alpha) or 0) or None
    reservation = f"an interaction needs {FEWEST_PAIRS} seeds" if one.n < FEWEST_PAIRS else ""
    if opposed := opposite(found, test, alpha):
        reservation, most = opposed, None  # more seeds would not help
    interval = one.interval(1 - 2 * alpha)
    return TestResult(text, one.mean, interval, one.n, p_pass, p_fail, most, rows, reservation)


def opposite(found: Sequence[Contrast], test: Interaction, alpha: float) -> str:
    """Which choices of the other settings show the opposite of what is claimed of their mean, "" for none."""
    if len(found) < 2:
        return ""
    known = [(contrast, estimate([*contrast.values.values()])) for contrast in found if contrast.values]
    against = holm([_p_opposite(test, one) for _, one in known])
    names = [f"{c.label} ({_signed(one.mean)})" for (c, one), p in zip(known, against, strict=True) if p <= alpha]
    return f"not pooled over opposite effects: {format_list(names)}; where: chooses" if names else ""


def spread_text(rows: Sequence[VerdictRow]) -> str:
    """From which to which choice of the other settings the effect goes; "" where there is one choice."""
    known = sorted((row for row in rows if row.effect is not None), key=lambda row: row.effect or 0.0)
    if len(known) < 2:
        return ""
    low, high = known[0], known[-1]
    return f"; from {_signed(low.effect or 0.0)} at {low.label} to {_signed(high.effect or 0.0)} at {high.label}"


def _p_opposite(test: Interaction, one: Estimate) -> float:
    """The p value for an effect on the other side: of 0, or beyond the margin where one is allowed."""
    if test.effect in ("greater", "not_lower"):
        return one.p_below(-test.margin, strict=True)
    return one.p_above(test.margin, strict=True)


def _signed(value: float) -> str:
    return f"+{rounded(value)}" if value > 0 else rounded(value)
