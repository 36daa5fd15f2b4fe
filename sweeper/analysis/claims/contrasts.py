"""Claims made of several gains: interaction and dominates. A seed gives one value, however many settings share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sweeper.analysis.claims.methods import gain_sampler_of, problem_of, with_range
from sweeper.analysis.claims.pairs import (
    FEWEST_PAIRS,
    asked_text,
    gain_rows,
    judge_compare,
    outcome_of,
    p_against,
    p_for,
    seeds_for,
)
from sweeper.analysis.claims.verdict import TestResult, VerdictRow, bracket, finite, format_list, unjudged
from sweeper.analysis.evidence import value_of
from sweeper.analysis.pairing import Contrast, contrasts
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import MOST_SEEDS, Estimate, estimate, holm, means_by_seed
from sweeper.spec.claims.records import Claim, ClaimGoal, Compare, Dominates, Interaction
from sweeper.trial import Record
from sweeper.value_text import plural, show

Ps = tuple[float, float]  # for what is claimed, and against it


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
    most = seeds_for(test, one, alpha)
    reservation = f"an interaction needs {FEWEST_PAIRS} seeds" if one.n < FEWEST_PAIRS else ""
    if opposed := opposite(found, test, alpha):
        reservation, most = opposed, None  # more seeds would not help
    interval = one.interval(1 - 2 * alpha)
    return TestResult(text, one.mean, interval, one.n, p_pass, p_fail, most, rows, reservation)


def judge_dominates(claim: Claim, test: Dominates, records: Sequence[Record]) -> TestResult:
    """Worse in no goal, by a test each, all of which must pass; better in one, their choice paid for (Bonferroni).

    It fails where one goal is shown worse than its margin, or none is better. Effect and interval are those of the goal
    that decides: the one with the weakest evidence of being no worse, else the one with the strongest of being better.
    """
    losses = [judge_goal(claim, test, goal, records, better=False) for goal in test.goals]
    gains = [judge_goal(claim, test, goal, records, better=True) for goal in test.goals]
    if silent := next((one for one in losses if one.interval is None), None):
        return silent
    alpha, shown = claim.alpha, [*zip(test.goals, losses, gains, strict=True)]
    p_pass, p_fail = dominance(
        [(one.p_pass, one.p_fail) for one in losses], [(one.p_pass, one.p_fail) for one in gains]
    )
    weakest = max(losses, key=lambda one: one.p_pass)
    strongest = min(shown, key=lambda one: one[2].p_pass)[1]
    loss = weakest if weakest.p_pass > alpha else strongest
    open_losses = [one.needed for one in losses if one.p_pass > alpha]
    open_gains = [min(one.needed or MOST_SEEDS for one in gains)] if p_pass > alpha else []
    most = max((few or MOST_SEEDS for few in [*open_losses, *open_gains]), default=0)
    return TestResult(
        "; ".join(_goal_text(goal, one) for goal, one, _ in shown),
        loss.effect,
        loss.interval,
        min(one.n for one in losses),
        p_pass,
        p_fail,
        most if 0 < most < MOST_SEEDS else None,
        tuple(_goal_row(goal, one, other, alpha) for goal, one, other in shown),
        next((one.reservation for one in losses if one.reservation), ""),
    )


def dominance(losses: Sequence[Ps], gains: Sequence[Ps]) -> Ps:
    """The p values for and against dominance, from those of each goal: of being no worse, and of being better.

    For it: all of the first (intersection-union test), and one of the second at Bonferroni's level. Against it: one of
    the first or all of the second, at Bonferroni's level again.
    """
    worst, some_better = max(p for p, _ in losses), len(gains) * min(p for p, _ in gains)
    some_worse, none_better = len(losses) * min(p for _, p in losses), max(p for _, p in gains)
    return min(1.0, max(worst, some_better)), min(1.0, 2 * min(some_worse, none_better))


def judge_goal(
    claim: Claim, test: Dominates, goal: ClaimGoal, records: Sequence[Record], *, better: bool
) -> TestResult:
    """The test of one goal alone, as `compare` makes it: that it is better, or that it is no worse than its margin."""
    one = with_range(goal_claim(claim, test, goal, better=better), records)
    values = [value for record in records if (value := value_of(record, goal.metric)) is not None]
    if problem := problem_of(one, values):
        return unjudged(problem)
    assert isinstance(one.test, Compare)
    found = judge_compare(one, one.test, records)
    return found if found.interval is not None else replace(found, text=f"{goal.metric}: {found.text}")


def goal_claim(claim: Claim, test: Dominates, goal: ClaimGoal, *, better: bool) -> Claim:
    """The `compare` of one goal."""
    effects = ("greater", "less") if better else ("not_lower", "not_higher")
    compared = Compare(test.first, test.second, effects[not goal.maximize], 0.0, 0.0 if better else goal.margin)
    return replace(claim, metric=goal.metric, test=compared, range=goal.range)


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


def _goal_text(goal: ClaimGoal, found: TestResult) -> str:
    return f"{goal.metric} ({'maximize' if goal.maximize else 'minimize'}): {found.text}"


def _goal_row(goal: ClaimGoal, loss: TestResult, gain: TestResult, alpha: float) -> VerdictRow:
    """Passes where the goal is shown no worse, or better; fails where it is shown worse."""
    low, high = loss.interval or (None, None)
    outcome = outcome_of(min(loss.p_pass, gain.p_pass), loss.p_fail, alpha)
    return VerdictRow(goal.metric, "", outcome, loss.effect, finite(low), finite(high), loss.n)


def _signed(value: float) -> str:
    return f"+{rounded(value)}" if value > 0 else rounded(value)
