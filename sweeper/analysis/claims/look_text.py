"""What repeated looks make of a verdict: the outcome of the look that decided, its level, and what was spent so far."""

from __future__ import annotations

from dataclasses import replace

from sweeper.analysis.claims.looks import ClaimProgress
from sweeper.analysis.claims.spending import passing_rate
from sweeper.analysis.claims.verdict import Outcome, Verdict
from sweeper.ledger.entries import ClaimLook
from sweeper.ledger.history import History, claim_digest, claim_text
from sweeper.spec.claims.records import Claim
from sweeper.spec.sweep import LookPlan
from sweeper.value_text import plural

_OUTCOMES: dict[str, Outcome] = {"pass": "pass", "fail": "fail"}


def at_look(verdict: Verdict, one: ClaimProgress, plan: LookPlan) -> Verdict:
    """The verdict of a claim's last look. `verdict` was found again, from the seeds of that look and at its level.

    Where that differs from what the ledger has of the look, the verdict is undecided, with that reason.
    """
    family = one.claim.family
    if one.counted:
        return replace(verdict, family=family)
    last = one.last
    if last is None:
        text = f"{verdict.sentence}; first look at {plan.start} seeds per configuration"
        return replace(verdict, sentence=text, outcome="undecided", level=None, needed=None, family=family)
    outcome = _OUTCOMES.get(last.outcome, "undecided")
    p = f"p = {verdict.p:.2g}, " if verdict.p is not None else ""
    text = f"{verdict.sentence}; {p}{_look_text(last, plan)}"
    if family:
        text += f"; shares alpha in {family!r} (Holm)"
    if last.test and verdict.test and last.test != verdict.test:
        text += f"; the look was by the test {last.test}, this is by {verdict.test}"
    if outcome != "undecided" and verdict.outcome != outcome:
        text += f"; the ledger has {outcome} at this look, its results give {verdict.outcome}"
        outcome = "undecided"
    return replace(verdict, sentence=text, outcome=outcome, level=last.level, needed=None, family=family)


def with_spent(verdict: Verdict, claim: Claim, history: History) -> Verdict:
    """The verdict with what all looks at the claim have spent, those of finished sweeps at fixed seeds included.

    The level of a look at fixed seeds is alpha, whatever was spent before: nothing planned it. The verdict gives how
    often all of them together pass a null claim.
    """
    registration = history.registered.get(claim_text(claim.keys))
    if verdict.p is None or verdict.replaced or registration is None:
        return verdict
    own = claim_digest(claim.keys)
    planned = [(one.seeds, one.level) for one in history.claim_looks if one.claim == own]
    unplanned = [(one.seeds, claim.alpha) for one in history.looks if one.run >= registration.run]
    highest: dict[int, float] = {}
    for seeds, level in (*planned, *unplanned):
        highest[seeds] = max(level, highest.get(seeds, 0.0))
    if not highest:
        return verdict
    spent = passing_rate(tuple(sorted(highest.items())))
    text = verdict.sentence
    if spent > claim.alpha + 1e-3:
        seen = ", ".join(map(str, sorted(highest)))
        text += f"; looked at with {seen} seeds: a null claim passes with {spent:.1%}, not {claim.alpha:.1%}"
    return replace(verdict, spent=spent, sentence=text)


def _look_text(look: ClaimLook, plan: LookPlan) -> str:
    """`level 0.0012 at look 2 of 6, 11 of at most 30 seeds`, and how it went on."""
    text = f"level {look.level:.2g} at look {look.look} of {len(plan.sizes)}"
    text += f", {look.seeds} of at most {plural(plan.most, 'seed')}"
    if look.outcome == "futile":
        return f"{text}: futile, below {plan.futility:.0%} to pass by {plan.most} seeds at the favourable end"
    if look.outcome == "open":
        later = next((size for size in plan.sizes if size > look.seeds), None)
        return f"{text}: open" + (f", next look at {later}" if later else "")
    return f"{text}: the last look" if look.outcome == "undecided" else text
