"""Claims judged again and again as seeds are added, each time at the level that a spending function leaves.

A look is a function of the results and of the looks that the ledger has: a run that was killed between the end of a
batch and the entry of its look decides the same when it goes on. A claim that was decided stays decided.

Claims of a family are judged together, by Holm's procedure for group-sequential tests (Maurer and Bretz 2013): each
look has the level that the function leaves of alpha / m, where m counts the claims of the family that have not passed
(for failing: not failed). Futility is not binding: it only ends the search for more seeds, and passes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from scipy.special import ndtri

from sweeper.analysis.claims.spending import conditional_power, levels
from sweeper.analysis.claims.verdict import TestResult
from sweeper.analysis.evidence import collect
from sweeper.analysis.pairing import blocks, settings
from sweeper.analysis.statistics import POWER
from sweeper.ledger.chain import digest
from sweeper.ledger.entries import ClaimLook
from sweeper.ledger.history import claim_digest
from sweeper.spec.claims.records import Claim, Compare, Interaction
from sweeper.spec.sweep import LookPlan
from sweeper.trial import Record

FAVOURABLE = 1.645  # standard errors: futility is reckoned with the upper end of a one-sided 95 % interval
Tester = Callable[[Claim, Sequence[Record]], TestResult]


@dataclass(slots=True)
class ClaimProgress:
    """How far a claim has got: its looks, oldest first, and the seeds that it needs for the next one.

    `counted` marks a claim that counts trials and tests nothing: it is about those that are there, and needs no look.
    `waits_for` are (configuration, seed) of which the next look has no result yet.
    """

    claim: Claim
    configs: frozenset[str]
    plan: LookPlan
    looks: list[ClaimLook] = field(default_factory=list)
    counted: bool = False
    waits_for: list[tuple[str, int]] = field(default_factory=list)

    @property
    def last(self) -> ClaimLook | None:
        return self.looks[-1] if self.looks else None

    @property
    def is_open(self) -> bool:
        """Whether further seeds may decide it: also where the plan has got a later last look, or no futility bound."""
        if self.counted or self.last is None:
            return not self.counted
        later = self.last.seeds < self.plan.most
        again = {"open": True, "undecided": later, "futile": later and not self.plan.futility}
        return again.get(self.last.outcome, False)

    @property
    def seeds(self) -> int:
        """The seeds per configuration at the last look; 0 before the first."""
        return self.last.seeds if self.last else 0


def progress_of(
    claims: Sequence[Claim], records: Sequence[Record], plan: LookPlan, test: Tester, held: Iterable[ClaimLook] = ()
) -> list[ClaimProgress]:
    """How far each claim is, by the results among `records` and the looks that were `held` already.

    A claim is judged at every size of the plan that all seeds of all its configurations have reached, as long as it is
    open; a look that was held is not repeated.
    """
    first = [record for record in records if record.trial.seed < plan.start]
    known: dict[tuple[str, str], list[ClaimLook]] = {}
    for look in held:
        known.setdefault((look.claim, look.configs), []).append(look)
    found = []
    for claim in claims:
        one = ClaimProgress(claim, _needed(claim, first), plan)
        one.looks = list(known.get((claim_digest(claim.keys), _digest(one.configs)), ()))
        found.append(one)
    seen = _Seen(records)
    for family in _families(found):
        _follow(family, plan, seen, test)
    return found


def first_seeds(records: Sequence[Record], seeds: int) -> list[Record]:
    """The records of the first so many seeds."""
    return [record for record in records if record.trial.seed < seeds]


def level_of(claim: Claim, plan: LookPlan, look: int, shared_by: int) -> float:
    """The level of a look (the first is 0) for a claim that shares its alpha with others of its family."""
    return levels(_fractions(plan), claim.alpha / shared_by, plan.spending)[look]


class _Seen:
    """Which trials have ended."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self._ended = {(r.trial.config, r.trial.seed) for r in records if r.ended is not None and not r.ended.retry}

    def missing(self, configs: Iterable[str], seeds: int) -> list[tuple[str, int]]:
        pairs = ((config, seed) for config in sorted(configs) for seed in range(seeds))
        return [pair for pair in pairs if pair not in self._ended]


def _follow(family: Sequence[ClaimProgress], plan: LookPlan, seen: _Seen, test: Tester) -> None:
    """Look at a family, from the size after its last look on, until it is decided or a batch is not there."""
    for index, seeds in enumerate(plan.sizes):
        still = [one for one in family if one.is_open and one.seeds < seeds]
        missing = seen.missing({config for one in still for config in one.configs}, seeds)
        if missing:
            for one in still:
                one.waits_for = [pair for pair in missing if pair[0] in one.configs]
            return
        _look(still, family, index, plan, first_seeds(seen.records, seeds), test)


def _look(
    still: Sequence[ClaimProgress],
    family: Sequence[ClaimProgress],
    index: int,
    plan: LookPlan,
    records: Sequence[Record],
    test: Tester,
) -> None:
    """Judge the open claims of a family at one size, the clearest first."""
    results: dict[int, TestResult] = {}
    for number, one in enumerate(still):
        level = level_of(one.claim, plan, index, _sharing(family, "pass"))
        results[number] = test(replace(one.claim, alpha=level), records)
        found = results[number]
        one.counted = found.n > 0 and found.interval is None and {found.p_pass, found.p_fail} == {0.0, 1.0}
    tested = [(number, one) for number, one in enumerate(still) if not one.counted]
    for number, one in sorted(tested, key=lambda pair: results[pair[0]].p_pass):
        level = level_of(one.claim, plan, index, _sharing(family, "pass"))
        if results[number].p_pass <= level and not results[number].reservation:
            _add(one, index, plan, level, "pass", results[number])
    for number, one in sorted(tested, key=lambda pair: results[pair[0]].p_fail):
        level = level_of(one.claim, plan, index, _sharing(family, "fail"))
        if one.seeds < plan.sizes[index] and results[number].p_fail <= level:
            _add(one, index, plan, level, "fail", results[number])
    for number, one in tested:
        if one.seeds < plan.sizes[index]:
            level = level_of(one.claim, plan, index, _sharing(family, "pass"))
            outcome = _undecided(one, results[number], index, plan, family)
            _add(one, index, plan, level, outcome, results[number])


def _undecided(
    one: ClaimProgress, found: TestResult, index: int, plan: LookPlan, family: Sequence[ClaimProgress]
) -> str:
    """What becomes of a claim that this look did not decide: open, futile, or undecided at the last look.

    One that can hardly pass any more goes on while it will most likely fail at the next look.
    """
    if index == len(plan.sizes) - 1:
        return "undecided"
    if not found.n:  # no trial has what it is about, or nothing can be compared: more seeds would have it no more
        return "futile"
    now, later = _fractions(plan)[index : index + 2]
    z = max(-_normal(found.p_pass), _normal(found.p_fail))  # some tests give a p value of 1 wherever they do not pass
    last = level_of(one.claim, plan, -1, _sharing(family, "pass"))
    may_pass = conditional_power(z, now, (z + FAVOURABLE) / math.sqrt(now), last)
    against = -_normal(found.p_fail)
    coming = level_of(one.claim, plan, index + 1, _sharing(family, "fail"))
    will_fail = conditional_power(against, now, against / math.sqrt(now), coming, until=later)
    return "open" if may_pass >= plan.futility or will_fail >= POWER else "futile"


def _normal(p: float) -> float:
    return float(ndtri(min(max(p, 1e-12), 1 - 1e-12)))


def _add(one: ClaimProgress, index: int, plan: LookPlan, level: float, outcome: str, found: TestResult) -> None:
    claim, configs = claim_digest(one.claim.keys), _digest(one.configs)
    look = ClaimLook(claim, configs, index + 1, plan.sizes[index], level, outcome, found.method)
    one.looks.append(look)


def _sharing(family: Sequence[ClaimProgress], outcome: str) -> int:
    """How many claims of the family share its alpha: those without this outcome."""
    return max(1, sum(one.last is None or one.last.outcome != outcome for one in family))


def _families(found: Sequence[ClaimProgress]) -> list[list[ClaimProgress]]:
    groups: dict[str, list[ClaimProgress]] = {}
    for index, one in enumerate(found):
        groups.setdefault(f"family {one.claim.family}" if one.claim.family else f"claim {index}", []).append(one)
    return list(groups.values())


def _fractions(plan: LookPlan) -> tuple[float, ...]:
    return tuple(size / plan.most for size in plan.sizes)


def _needed(claim: Claim, records: Sequence[Record]) -> frozenset[str]:
    """The configurations that a claim is about: where its condition holds, and of a comparison those that it uses."""
    chosen = collect(claim, records).among(records)
    if not isinstance(claim.test, Compare | Interaction):
        return frozenset(record.trial.config for record in chosen)
    sides = [settings(side) for side in claim.test.sides]
    whole = [block for block in blocks(chosen, tuple(claim.test.sides[0])) if block.records.keys() >= {*sides}]
    return frozenset(block.records[side].trial.config for block in whole for side in sides)


def _digest(configs: Iterable[str]) -> str:
    return digest(",".join(sorted(configs)).encode())[:16]
