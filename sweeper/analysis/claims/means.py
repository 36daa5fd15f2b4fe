"""Claims about the means of configurations: within, mean, equivalent, against. Each is tested, none is read by eye."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sweeper.analysis.claims.methods import method_of, sampler_of, seeds_needed
from sweeper.analysis.claims.verdict import Outcome, TestResult, VerdictRow, bracket, finite, format_list, unjudged
from sweeper.analysis.evidence import Evidence, Group
from sweeper.analysis.mean_tests import MeanTest
from sweeper.analysis.rounding import rounded
from sweeper.analysis.statistics import holm, means_by_seed
from sweeper.ledger import regular_file
from sweeper.ledger.paths import inside
from sweeper.spec.claims.records import Against, Claim, Equivalent, Mean, Within
from sweeper.trial import Value
from sweeper.value_text import exact, plural

Bounds = tuple[float, float]


def judge_within(claim: Claim, test: Within, evidence: Evidence) -> TestResult:
    """Over configs, two one-sided tests a configuration; over trials, whether every value lies inside."""
    if claim.over == "trials":
        return _every_value(evidence, (test.low, test.high))
    bounds = (test.low, test.high)
    if method_of(claim) != "exact":
        bounds = reachable(bounds, evidence.values)
    return _every_mean(claim, evidence, bounds)


def judge_mean(claim: Claim, test: Mean, evidence: Evidence) -> TestResult:
    """Over configs, one test per configuration; over trials, one test of the mean of all trials, one value per seed."""
    bounds = one_sided(test.at_least, test.at_most)
    if claim.over == "configs":
        return _every_mean(claim, evidence, bounds)
    return _mean_of_trials(claim, evidence, bounds)


def judge_equivalent(claim: Claim, test: Equivalent, evidence: Evidence) -> TestResult:
    """Two one-sided tests of one mean, one value per seed: its mean over the configurations."""
    bounds = (test.to - test.margin, test.to + test.margin)
    groups = evidence.measured
    if claim.over == "trials":
        return _mean_of_trials(claim, evidence, bounds)
    one = sampler_of(claim)(means_by_seed([group.values for group in groups]))
    rows = rows_of(groups, tests_of(claim, groups), [bounds] * len(groups), claim.alpha)
    leaving = [row for row in rows if row.outcome == "fail"]
    text = f"over {plural(len(groups), 'configuration')} with {plural(one.n, 'seed')}"
    if leaving and len(groups) > 1:
        text += f"; outside by themselves: {_listed(leaving)}"
    found = _one_mean(one, bounds, claim.alpha, text, rows)
    return replace(found, n=len(evidence.values))


def _mean_of_trials(claim: Claim, evidence: Evidence, bounds: Bounds) -> TestResult:
    """Trials of one seed share data and first weights: each seed is one draw, its mean over the configurations."""
    groups, total = evidence.measured, len(evidence.values)
    one = sampler_of(claim)(means_by_seed([group.values for group in groups]))
    text = f"over {plural(total, 'trial')}" + (f" of {plural(one.n, 'seed')}" if one.n < total else "")
    return replace(_one_mean(one, bounds, claim.alpha, text), n=total)


def judge_against(claim: Claim, test: Against, evidence: Evidence, folder: Path) -> TestResult:
    """Two one-sided tests a configuration: its mean lies within `tolerance` of the reference table's.

    The table is the copy that `run` keeps in the sweep's folder, which may be on another machine now, or come from a
    stranger, whose claims must not read other files. Raises LedgerError where it is a link that leads out.
    """
    path = inside(folder.parent, folder.name, test.table.name)
    try:
        text = regular_file.read(path).decode("utf-8")
        table = [*csv.DictReader(io.StringIO(text, newline=""), restval="")]
        reference = _reference(table, claim.metric, evidence.groups)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        return unjudged(f"the reference table {path.name} cannot be used: {error}")
    known = [group for group in evidence.groups if group.config in reference]
    if not known:
        return unjudged(f"none of the configurations is in {path.name}")
    bounds = [(reference[g.config] - test.tolerance, reference[g.config] + test.tolerance) for g in known]
    judged = _each(claim, known, bounds, f"within {rounded(test.tolerance)} of {path.name}")
    absent = len(evidence.groups) - len(known)
    return (
        judged if not absent else replace(judged, reservation=f"{plural(absent, 'configuration')} not in {path.name}")
    )


def tests_of(claim: Claim, groups: Sequence[Group]) -> list[MeanTest | None]:
    """The claim's test of each configuration's mean; None where it has no value."""
    sampler = sampler_of(claim)
    return [sampler(group.numbers) if group.values else None for group in groups]


def rows_of(
    groups: Sequence[Group], tests: Sequence[MeanTest | None], bounds: Sequence[Bounds], alpha: float
) -> tuple[VerdictRow, ...]:
    """Each configuration: passes by two one-sided tests, fails when its mean is outside (Holm over them)."""
    outside = holm([p_outside(one, pair) for one, pair in zip(tests, bounds, strict=True)])
    rows = []
    for group, one, pair, p_out in zip(groups, tests, bounds, outside, strict=True):
        outcome: Outcome = "pass" if p_inside(one, pair) <= alpha else "fail" if p_out <= alpha else "undecided"
        low, high = one.interval(1 - 2 * alpha) if one else (math.nan, math.nan)
        ends = (finite(low), finite(high))
        rows.append(VerdictRow(group.label, group.config, outcome, one.mean if one else None, *ends, len(group.values)))
    return tuple(rows)


def p_inside(one: MeanTest | None, bounds: Bounds) -> float:
    """The p value for a mean in [low, high]: the larger of two one-sided tests; an infinite end needs none."""
    if one is None:
        return 1.0
    low, high = bounds
    above = one.p_above(low) if low > -math.inf else 0.0
    return max(above, one.p_below(high) if high < math.inf else 0.0)


def p_outside(one: MeanTest | None, bounds: Bounds) -> float:
    """The p value for a mean outside of [low, high]."""
    if one is None:
        return 1.0
    low, high = bounds
    below = one.p_below(low, strict=True) if low > -math.inf else 1.0
    return min(below, one.p_above(high, strict=True) if high < math.inf else 1.0)


def reachable(bounds: Bounds, values: Sequence[float]) -> Bounds:
    """The bounds without an end that is the metric's own: one that some value reaches exactly and none passes.

    The t interval of an accuracy near 1 goes beyond 1, where no accuracy can be: that does not invalidate it.
    """
    low, high = bounds
    return (-math.inf if min(values) == low else low, math.inf if max(values) == high else high)


def needed(one: MeanTest, bounds: Bounds, alpha: float) -> int | None:
    """How many values would decide where the mean lies, should mean and spread stay as they are."""
    low, high = bounds
    inside = low <= one.mean <= high
    return seeds_needed(one, bounds if inside else [low if one.mean < low else high], alpha)


def one_sided(at_least: float | None, at_most: float | None) -> Bounds:
    """The bounds of what reaches one of the two; the other end is infinite."""
    return _or(at_least, -math.inf), _or(at_most, math.inf)


def interval_text(bounds: Bounds) -> str:
    """`in [0.1, 0.3]`, `at least 0.1`, `at most 0.3`."""
    low, high = bounds
    if high == math.inf:
        return f"at least {rounded(low)}"
    return f"at most {rounded(high)}" if low == -math.inf else f"in [{rounded(low)}, {rounded(high)}]"


def _every_mean(claim: Claim, evidence: Evidence, bounds: Bounds) -> TestResult:
    if not any(math.isfinite(end) for end in bounds):  # both ends are the metric's own
        bounds = (min(evidence.values), max(evidence.values))
    return _each(claim, evidence.groups, [bounds] * len(evidence.groups), interval_text(bounds))


def _each(claim: Claim, groups: Sequence[Group], bounds: Sequence[Bounds], what: str) -> TestResult:
    """Every configuration inside its bounds: an intersection-union test, so that only failing needs a correction."""
    alpha, tests = claim.alpha, tests_of(claim, groups)
    rows = rows_of(groups, tests, bounds, alpha)
    known = [(row, one, pair) for row, one, pair in zip(rows, tests, bounds, strict=True) if one]
    worst, one, _ = max(known, key=lambda item: (p_inside(item[1], item[2]), distance_outside(item[1], item[2])))
    p_pass = max(p_inside(one, pair) for one, pair in zip(tests, bounds, strict=True))
    p_fail = min(holm([p_outside(one, pair) for _, one, pair in known]))
    good, bad = ([row for row in rows if row.outcome == outcome] for outcome in ("pass", "fail"))
    text = f"{len(good)} of {plural(len(rows), 'configuration')} {what}"
    unsure = [row for row in rows if row.outcome == "undecided" and row.n]
    text += (
        f"; outside: {_listed(bad)}"
        if bad
        else f"; undecided: {_listed(unsure)}"
        if unsure
        else f"; closest: {_listed([worst])}"
    )
    most = _most(needed(one, pair, alpha) for row, one, pair in known if row.outcome == "undecided")
    n = sum(len(group.values) for group in groups)
    return TestResult(text, one.mean, one.interval(1 - 2 * alpha), n, p_pass, p_fail, most, rows)


def _most(counts: Iterable[int | None]) -> int | None:
    """The greatest; None where one has none, and then the others are not computed."""
    most = None
    for count in counts:
        if not count:
            return None
        most = max(count, most or 0)
    return most


def distance_outside(one: MeanTest, bounds: Bounds) -> float:
    """How far outside a mean lies (negative: how far inside): the tie-break among configurations without spread."""
    low, high = bounds
    return max(low - one.mean, one.mean - high)


def _every_value(evidence: Evidence, bounds: Bounds) -> TestResult:
    low, high = bounds
    values = evidence.values
    outside = [value for value in values if not low <= value <= high]
    text = f"{len(values) - len(outside)} of {plural(len(values), 'trial')} {interval_text(bounds)}"
    text += f"; they span {bracket((min(values), max(values)))}"
    worst = max(values, key=lambda value: max(low - value, value - high))
    return TestResult(text, worst, None, len(values), float(bool(outside)), float(not outside))


def _one_mean(one: MeanTest, bounds: Bounds, alpha: float, text: str, rows: tuple[VerdictRow, ...] = ()) -> TestResult:
    interval = one.interval(1 - 2 * alpha)
    text = f"mean {rounded(one.mean)} {bracket(interval)}, claimed {interval_text(bounds)}, {text}"
    count = needed(one, bounds, alpha)
    seeds = max(2, count) if count else None
    return TestResult(text, one.mean, interval, one.n, p_inside(one, bounds), p_outside(one, bounds), seeds, rows)


def _reference(table: list[dict[str, str]], metric: str, groups: Sequence[Group]) -> dict[str, float]:
    """The table's mean for each configuration: by its key, or else by the parameters that the table has."""
    column = f"{metric}.mean"
    if not table or column not in table[0]:
        raise ValueError(f"it has no column {column}")
    if "config" in table[0]:
        by_key = {row["config"]: float(row[column]) for row in table if row[column]}
        if any(group.config in by_key for group in groups):
            return by_key
    found = {}
    for group in groups:
        names = [name for name in table[0] if name in group.params]
        rows = [row for row in table if names and all(_equal(row[n], group.params[n]) for n in names)]
        if len(rows) == 1 and rows[0][column]:
            found[group.config] = float(rows[0][column])
    return found


def _equal(cell: str, value: Value) -> bool:
    """Whether a cell of a CSV is this value, as `sweeper export` or a person writes it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(cell) == value
        except ValueError:
            return False
    if value is None or isinstance(value, bool):
        return (cell.lower() or "null") == exact(value)
    return cell in (exact(value), value)


def _listed(rows: Sequence[VerdictRow]) -> str:
    return format_list([f"{row.label} {rounded(row.effect or 0.0)} {_row_interval(row)}" for row in rows])


def _row_interval(row: VerdictRow) -> str:
    if row.ci_low is None or row.ci_high is None:
        return "(one seed)"
    return bracket((row.ci_low, row.ci_high))


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
