"""Claims about how closely one metric follows another: correlate. Each seed gives one value, its own correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from sweeper.analysis.claims.means import interval_text, one_sided, p_inside, p_outside
from sweeper.analysis.claims.methods import sampler_of, seeds_needed
from sweeper.analysis.claims.verdict import TestResult, VerdictRow, bracket, unjudged
from sweeper.analysis.evidence import value_of
from sweeper.analysis.rounding import rounded
from sweeper.spec.claims.records import Claim, Correlate
from sweeper.trial import Record
from sweeper.value_text import plural

FEWEST_POINTS = 3  # two points always lie on a line


def judge_correlate(claim: Claim, test: Correlate, records: Sequence[Record]) -> TestResult:
    """A test of the mean over seeds of the correlation over a seed's configurations.

    It is about these configurations: a chance agreement of their means is shared by all seeds, and no number of seeds
    shows what other configurations would give. Pooling all trials would count it once per seed.
    """
    known = points_by_seed(records, test)
    if not known:
        return unjudged(f"no seed has {FEWEST_POINTS} configurations with values of both {test.x} and {test.y}")
    values = correlations(known, test)
    one, sampled = sampler_of(claim)([*values.values()]), sorted({len(found) for found in known.values()})
    interval = one.interval(1 - 2 * claim.alpha)
    bounds, name = one_sided(test.at_least, test.at_most), "Spearman" if test.ranks else "Pearson"
    text = f"{name} correlation {rounded(one.mean)} {bracket(interval)}, claimed {interval_text(bounds)}, "
    text += f"over {plural(one.n, 'seed')}"
    text += f" of {' to '.join(map(str, dict.fromkeys((sampled[0], sampled[-1]))))} configurations, and about these"
    if constant := sum(_constant(found) for found in known.values()):
        text += f"; {plural(constant, 'seed')} without spread in one of them count as 0"
    rows = tuple(VerdictRow(f"seed={s}", "", "undecided", r, None, None, len(known[s])) for s, r in values.items())
    few = seeds_needed(one, [end for end in bounds if math.isfinite(end)], claim.alpha)
    return TestResult(text, one.mean, interval, one.n, p_inside(one, bounds), p_outside(one, bounds), few, rows)


def points_by_seed(records: Sequence[Record], test: Correlate) -> dict[int, list[tuple[float, float]]]:
    """For each seed the values of x and y of the configurations that have both, where there are enough of them."""
    found: dict[int, list[tuple[float, float]]] = {}
    for record in records:
        x, y = value_of(record, test.x), value_of(record, test.y)
        if x is not None and y is not None:
            found.setdefault(record.trial.seed, []).append((x, y))
    return {seed: points for seed, points in found.items() if len(points) >= FEWEST_POINTS}


def correlations(points: Mapping[int, Sequence[tuple[float, float]]], test: Correlate) -> dict[int, float]:
    """The correlation of each seed's points, in [-1, 1]; 0 where x or y takes one value only."""
    return {seed: _correlation(np.array(found).T, ranks=test.ranks) for seed, found in points.items()}


def _correlation(values: np.ndarray, *, ranks: bool) -> float:
    if _constant(values.T.tolist()):
        return 0.0
    x, y = (rankdata(one) if ranks else one for one in values)
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))


def _constant(points: Sequence[Sequence[float]]) -> bool:
    """Whether one of the metrics takes one value only."""
    return any(len(set(values)) == 1 for values in zip(*points, strict=True))
