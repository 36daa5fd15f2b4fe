"""`sweeper verify`: the claims of a sweep's file, judged by its ledger alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.analysis import frames
from sweeper.analysis.claims.contrasts import judge_dominates, judge_interaction
from sweeper.analysis.claims.correlations import judge_correlate
from sweeper.analysis.claims.look_text import at_look, with_spent
from sweeper.analysis.claims.looks import ClaimProgress, first_seeds, progress_of
from sweeper.analysis.claims.means import interval_text, judge_against, judge_equivalent, judge_mean, judge_within
from sweeper.analysis.claims.methods import assumption, method_of, problem_of, with_range
from sweeper.analysis.claims.pairs import judge_compare, judge_monotone
from sweeper.analysis.claims.power import power_of
from sweeper.analysis.claims.registration import ClaimStatus, claim_status
from sweeper.analysis.claims.spread import judge_best, judge_share, judge_typical
from sweeper.analysis.claims.verdict import Outcome, TestResult, Verdict, finite, unjudged
from sweeper.analysis.evidence import Evidence, collect
from sweeper.analysis.statistics import holm
from sweeper.errors import Exit, nearest, some_of
from sweeper.ledger.atomic import replace_file
from sweeper.ledger.entries import ClaimLook
from sweeper.ledger.history import History, read_history
from sweeper.ledger.paths import SweepDir
from sweeper.spec.claims.convert import claim_of
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
from sweeper.spec.load import load_run
from sweeper.spec.sweep import LookPlan, Sweep
from sweeper.trial import Record
from sweeper.value_text import plural

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "name", "kind", "metric", "outcome", "effect", "ci_low", "ci_high", "n", "p", "family",
    "status", "standing", "results_seen", "looks", "level", "spent", "test", "sentence",
)  # fmt: skip


def verdicts(sweep_dir: SweepDir, known: History | None = None) -> list[Verdict]:
    """The verdict on each claim of a sweep's own file, in its order. Raises UsageError for an unknown sweep.

    `known` is the sweep's history where it has been read.
    """
    known = known or frames.history(sweep_dir)
    sweep = load_run(sweep_dir.spec)
    return judge_sweep(sweep.claims, known, sweep_dir.folder, sweep.looks)


def judge_sweep(claims: Sequence[Claim], history: History, folder: Path, plan: LookPlan | None = None) -> list[Verdict]:
    """The verdict on each claim and whether it is older than its results; then, if amended, that on its old text.

    With a `plan` of looks a verdict is that of the look that decided.
    """
    records = history.planned()
    has_versions = len(_codes(records)) > 1
    found: list[Verdict] = []

    def judged(some: Sequence[Claim]) -> list[Verdict]:
        return judge_at_looks(some, history, folder, plan) if plan else judge(some, records, folder)

    for claim, verdict in zip(claims, judged(claims), strict=True):
        stands = claim_status(claim.keys, history, records)
        if has_versions or stands.status == "exploratory":
            about = collect(claim, records).among(records)
            if (versions := len(_codes(about))) > 1:
                mixed = f"{verdict.sentence}; results of {versions} versions of the trainer's code or data"
                verdict = replace(verdict, sentence=mixed)
            if stands.status == "exploratory":  # results of trials that it is not about do not judge it
                stands = claim_status(claim.keys, history, about or records)
        found.append(_standing(with_spent(verdict, claim, history), stands, claim.needs_registration))
        before = [old for one in stands.amends if (old := claim_of(one.keys)) is not None]
        for one in judged(before):
            found.append(replace(one, status="amended", standing="the text before it was amended", replaced=True))
    return found


def _codes(records: Sequence[Record]) -> set[str]:
    """The versions of code and data that made the results of these trials."""
    return {record.trial.code for record in records if record.ended}


def judge_run(sweep: Sweep, results: Path, ended: Exit) -> tuple[Sequence[Verdict], Exit]:
    """The verdicts on the claims of a sweep whose run has ended with this code, and the code with them."""
    keep_tables(sweep.claims, results / sweep.name)
    found = judge_sweep(sweep.claims, read_history(SweepDir(results, sweep.name)), results / sweep.name, sweep.looks)
    return found, exit_code(ended, found)


def judge(claims: Sequence[Claim], records: Sequence[Record], folder: Path) -> list[Verdict]:
    """The verdict on each claim, by these trials alone; `folder` may hold reference tables."""
    collected = [collect(claim, records) for claim in claims]
    judged = [_judged(claim, one, records, folder) for claim, one in zip(claims, collected, strict=True)]
    judged = [_more(one, known) for one, known in zip(_corrected(claims, judged), collected, strict=True)]
    found = [_verdict(claim, one, found) for claim, one, found in zip(claims, collected, judged, strict=True)]
    known = zip(claims, collected, found, strict=True)
    return [replace(one, power=power_of(claim, evidence, records, claims)) for claim, evidence, one in known]


def progress_at_looks(
    claims: Sequence[Claim], records: Sequence[Record], folder: Path, plan: LookPlan, held: Sequence[ClaimLook]
) -> list[ClaimProgress]:
    """How far each claim is, by these trials and the looks that were held."""

    def test(claim: Claim, seen: Sequence[Record]) -> TestResult:
        return _judged(claim, collect(claim, seen), seen, folder)

    return progress_of(claims, records, plan, test, held)


def judge_at_looks(claims: Sequence[Claim], history: History, folder: Path, plan: LookPlan) -> list[Verdict]:
    """The verdict on each claim: that of its last look, from the seeds of that look and at its level."""
    records, found = history.planned(), []
    for one in progress_at_looks(claims, records, folder, plan, history.claim_looks):
        seen = first_seeds(records, one.seeds) if one.last and not one.counted else records
        level = one.last.level if one.last else one.claim.alpha
        alone = replace(one.claim, alpha=level, family="")
        evidence = collect(alone, seen)
        result = replace(_judged(alone, evidence, seen, folder), needed=None)
        verdict = replace(_verdict(alone, evidence, result), power=power_of(alone, evidence, seen, [alone]))
        found.append(at_look(verdict, one, plan))
    return found


def _standing(verdict: Verdict, stands: ClaimStatus, needed: bool) -> Verdict:
    return replace(
        verdict,
        status=stands.status,
        standing=stands.text,
        results_seen=stands.results_seen,
        looks=stands.looks,
        needs_registration=needed,
    )


def as_frame(found: Sequence[Verdict]) -> pd.DataFrame:
    """One row per verdict."""
    import pandas as pd

    rows = [{name: getattr(verdict, name) for name in COLUMNS} for verdict in found]
    frame = pd.DataFrame(rows, columns=[*COLUMNS])
    frame.attrs["claims"] = True  # no column is a parameter's: their texts are written as they are, in full
    return frame


def exit_code(ended: Exit, found: Sequence[Verdict], *, strict: bool = False) -> Exit:
    """The exit code of a run: that of a failed claim only where no trial is missing.

    Interrupts, budgets and failed trials come first: their cure, running again, comes before believing the verdict.
    """
    failed = any(verdict.outcome == "fail" and not verdict.replaced for verdict in found)
    failed |= any(verdict.lacks_registration(strict=strict) for verdict in found)
    return Exit.CLAIM_FAILED if failed and ended is Exit.OK else ended


def keep_tables(claims: Sequence[Claim], folder: Path) -> None:
    """Copy the reference tables of claims into the sweep's folder, so that it can be judged wherever it is taken."""
    for claim in claims:
        if isinstance(claim.test, Against) and claim.test.table.is_file() and folder.is_dir():
            replace_file(folder / claim.test.table.name, claim.test.table.read_text(encoding="utf-8", errors="replace"))


def _judged(written: Claim, evidence: Evidence, records: Sequence[Record], folder: Path) -> TestResult:
    claim = with_range(written, records)
    found = _tested(claim, evidence, records, folder)
    if found.interval is None:
        return found
    if claim.success is not None:
        reached = interval_text((claim.success.low, claim.success.high))
        found = replace(found, text=f"share of seeds with {claim.metric} {reached}: {found.text}")
    return replace(found, method=method_of(claim), assumes=assumption(claim))


def _tested(claim: Claim, evidence: Evidence, records: Sequence[Record], folder: Path) -> TestResult:
    if evidence.problem:
        return unjudged(evidence.problem)
    if not evidence.measured:
        return unjudged(_without_values(claim.metrics[0], evidence, records))
    if problem := problem_of(claim, evidence.values):
        return unjudged(problem)
    chosen = evidence.among(records)
    match claim.test:
        case Within() as test:
            return judge_within(claim, test, evidence)
        case Mean() as test:
            return judge_mean(claim, test, evidence)
        case Equivalent() as test:
            return judge_equivalent(claim, test, evidence)
        case Against() as test:
            return judge_against(claim, test, evidence, folder)
        case Typical() as test:
            return judge_typical(claim, test, evidence)
        case Best() as test:
            return judge_best(claim, test, evidence)
        case Share() as test:
            return judge_share(claim, test, evidence)
        case Compare() as test:
            return judge_compare(claim, test, chosen)
        case Dominates() as test:
            return judge_dominates(claim, test, chosen)
        case Correlate() as test:
            return judge_correlate(claim, test, chosen)
        case Interaction() as test:
            return judge_interaction(claim, test, chosen)
        case Monotone() as test:
            return judge_monotone(claim, test, chosen)


def _without_values(metric: str, evidence: Evidence, records: Sequence[Record]) -> str:
    """Nothing yet; or, where all trials have ended, what they report instead."""
    reported = list(dict.fromkeys(name for record in records if record.ended for name in record.ended.metrics))
    if evidence.unfinished or not reported:
        return f"no trial has a value of {metric} yet"
    return f"no trial has a value of {metric}; they report {some_of(nearest(metric, reported) or reported)}"


def _corrected(claims: Sequence[Claim], judged: Sequence[TestResult]) -> list[TestResult]:
    """Holm within each family, for the claims and against them."""
    corrected = list(judged)
    for family in {claim.family for claim in claims if claim.family}:
        members = [index for index, claim in enumerate(claims) if claim.family == family]
        passing = holm([judged[index].p_pass for index in members])
        failing = holm([judged[index].p_fail for index in members])
        for index, p_pass, p_fail in zip(members, passing, failing, strict=True):
            corrected[index] = replace(judged[index], p_pass=p_pass, p_fail=p_fail)
    return corrected


def _more(found: TestResult, evidence: Evidence) -> TestResult:
    """What would do is more than what is there: a correction can leave open what the plain numbers decide."""
    there = max((len(group.values) for group in evidence.groups), default=0)
    return replace(found, needed=max(found.needed, there + 1)) if found.needed else found


def _verdict(claim: Claim, evidence: Evidence, found: TestResult) -> Verdict:
    outcome = _outcome(claim, evidence, found)
    low, high = found.interval or (None, None)
    p = found.p_fail if outcome == "fail" else found.p_pass
    return Verdict(
        name=claim.name,
        kind=claim.kind,
        outcome=outcome,
        metric=claim.metric,
        sentence=_sentence(claim, evidence, found, outcome),
        effect=finite(found.effect),
        ci_low=finite(low),
        ci_high=finite(high),
        n=found.n,
        needed=found.needed if outcome == "undecided" and not evidence.unfinished else None,
        rows=found.rows,
        confidence=round(1 - 2 * claim.alpha, 12),
        p=p if found.interval is not None else None,
        level=claim.alpha if found.interval is not None else None,
        test=found.method,
        family=claim.family,
    )


def _outcome(claim: Claim, evidence: Evidence, found: TestResult) -> Outcome:
    if evidence.unfinished:  # a test is read once, at the end: peeking makes false verdicts
        return "undecided"
    if found.p_pass <= claim.alpha and not found.reservation:
        return "pass"
    return "fail" if found.p_fail <= claim.alpha else "undecided"


def _sentence(claim: Claim, evidence: Evidence, found: TestResult, outcome: Outcome) -> str:
    parts = [found.text]
    if evidence.missing:
        parts.append(f"not counted: {evidence.missing}")
    if evidence.unfinished:
        parts.append(f"{plural(evidence.unfinished, 'trial')} still to come")
    elif outcome == "undecided":
        parts += [found.reservation] if found.reservation else []
        parts += [f"about {plural(found.needed, 'seed')} per configuration needed (80 % power)"] if found.needed else []
    if claim.family and found.interval is not None:
        parts.append(f"p = {min(found.p_pass, found.p_fail):.2g} after Holm in {claim.family!r}")
    return "; ".join([*parts, *([found.assumes] if found.assumes else [])])
