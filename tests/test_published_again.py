"""Every published number and verdict once more from the ledgers' lines, by pandas and scipy alone.

Nothing of sweeper is imported: an error in its statistics must not hide behind itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import optimize, stats

from tests.published import NAMES, PUBLISHED, trials
from tests.published_means import MeanTest, binomial, exact_test, t_test

JUDGED = [name for name in NAMES if json.loads((PUBLISHED / name / "verify.json").read_text())["verdicts"]]


@cache
def settings(name: str) -> list[str]:
    """The settings that vary over the trials."""
    table = trials(name)
    named = [str(column) for column in table if str(column).startswith(("loss.", "task.", "train.", "model."))]
    return [name for name in named if table[name].nunique(dropna=False) > 1]


def among(name: str, where: str | None) -> pd.DataFrame:
    """The trials where a condition of the sweep file holds."""
    table = trials(name)
    if where is None:
        return table
    named = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
    chosen = table[[*set(named.findall(where))]].query(named.sub(lambda found: f"`{found[0]}`", where))
    return table.loc[chosen.index]


class Found(NamedTuple):
    effect: float
    interval: tuple[float, float]
    p_pass: float
    p_fail: float


def some(p_values: list[float], count: int) -> float:
    """The p value for at least so many alternatives: Simes on all but the count - 1 smallest ones."""
    rest = sorted(p_values)[count - 1 :]
    return float(stats.false_discovery_control(rest).min())


def inside(one: MeanTest, low: float, high: float) -> float:
    return max(one.above(low) if low > -np.inf else 0.0, one.below(high) if high < np.inf else 0.0)


def outside(one: MeanTest, low: float, high: float) -> float:
    return min(one.below(low) if low > -np.inf else 1.0, one.above(high) if high < np.inf else 1.0)


def by_config(claim: Mapping[str, Any], table: pd.DataFrame) -> list[MeanTest]:
    return [exact_test(part[claim["metric"]]) for _, part in table.groupby("config", sort=False)]


def mean(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """Every configuration's mean; shown is the one that is least certain."""
    bounds = claim["mean"].get("at_least", -np.inf), claim["mean"].get("at_most", np.inf)
    tests = by_config(claim, table)
    worst = max(tests, key=lambda one: (inside(one, *bounds), max(bounds[0] - one.mean, one.mean - bounds[1])))
    p_fail = min(1.0, len(tests) * min(outside(one, *bounds) for one in tests))
    return Found(worst.mean, worst.interval(alpha), max(inside(one, *bounds) for one in tests), p_fail)


def equivalent(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """Two one-sided tests of the seeds' means."""
    asked = claim["equivalent"]
    bounds = asked["to"] - asked["margin"], asked["to"] + asked["margin"]
    one = exact_test(table.groupby("seed")[claim["metric"]].mean())
    return Found(one.mean, one.interval(alpha), inside(one, *bounds), outside(one, *bounds))


def best(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """Simes over the configurations; it fails also when no trial reached the bound."""
    bound, tests = claim["best"]["at_least"], by_config(claim, table)
    top = max(tests, key=lambda one: one.mean)
    reached = table[claim["metric"]].max() >= bound
    p_fail = max(one.below(bound) for one in tests) if reached else 0.0
    return Found(top.mean, top.interval(alpha), some([one.above(bound) for one in tests], 1), p_fail)


def share(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """Over trials exact binomial, or of the shares of seeds; over configurations a partial conjunction."""
    asked, above = claim["share"], claim["share"].get("above", -np.inf)
    at_least = "at_least" in asked
    if claim.get("over") == "trials":
        there = table[claim["metric"]].between(above, asked.get("below", np.inf))
        by_seed = there.groupby(table.seed).mean()
        rate = exact_test(by_seed) if table.config.nunique() > 1 else binomial(by_seed)
        bound = asked["at_least" if at_least else "at_most"]
        sides = [rate.above(bound), rate.below(bound)]
        return Found(rate.mean, rate.interval(alpha), *(sides if at_least else sides[::-1]))
    assert at_least
    tests = by_config(claim, table)
    p_in, p_out, total = [one.above(above) for one in tests], [one.below(above) for one in tests], len(tests)
    fewest = int(np.ceil(asked["at_least"] * total - 1e-9))
    good, bad = (sum(some(p, u) <= alpha for u in range(1, total + 1)) for p in (p_in, p_out))
    found = sum(one.mean >= above for one in tests) / total
    return Found(found, (good / total, 1 - bad / total), some(p_in, fewest), some(p_out, total - fewest + 1))


def typical(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """So many configurations inside that both quartiles are; shown is the median, and the quartiles' outer ends."""
    (low, high), tests = claim["typical"], by_config(claim, table)
    ends, rank = np.array([one.interval(alpha) for one in tests]), 0.25 * (len(tests) - 1)
    enough, too_many = len(tests) - int(np.floor(rank)), int(np.ceil(rank)) + 1
    p_pass = max(some([p(one) for one in tests], enough) for p in (lambda t: t.above(low), lambda t: t.below(high)))
    p_fail = min(some([p(one) for one in tests], too_many) for p in (lambda t: t.below(low), lambda t: t.above(high)))
    quartiles = float(np.quantile(ends[:, 0], 0.25)), float(np.quantile(ends[:, 1], 0.75))
    return Found(float(np.median([one.mean for one in tests])), quartiles, p_pass, p_fail)


def compare(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """A test of the seeds' mean gains, pairs being equal in all other settings: exact, or Student's above 0."""
    sides = []
    for side in (0, 1):
        chosen = table
        for setting, values in claim["compare"].items():
            chosen = chosen[chosen[setting] == values[side]]
        sides.append(chosen.set_index([*(s for s in settings(name) if s not in claim["compare"]), "seed"]))
    return gained(claim, (sides[0][claim["metric"]] - sides[1][claim["metric"]]).dropna(), alpha)


def interaction(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """The same test of differences of differences; each claim published is about one choice of the other settings."""
    (first, (low, high)), (second, (without, with_it)) = claim["interaction"].items()
    others = [s for s in settings(name) if s not in claim["interaction"]]
    table = table[table[first].isin((low, high)) & table[second].isin((without, with_it))]
    assert all(table[other].nunique() == 1 for other in others)
    of = table.pivot_table(claim["metric"], "seed", [first, second])
    return gained(claim, of[high, with_it] - of[low, with_it] - of[high, without] + of[low, without], alpha, most=2.0)


def gained(claim: Mapping[str, Any], gains: pd.Series, alpha: float, most: float = 1.0) -> Found:
    by_seed, effect = gains.groupby("seed").mean(), claim.get("effect", "greater")
    size = claim.get("min_gain" if effect in ("greater", "less") else "margin", 0)
    bound = -size if effect in ("less", "not_lower") else size
    if bound == 0:
        one = t_test(by_seed)
    else:  # on the bound's own side of 0, gains are taken to end there or at the last one seen
        ends = (min(0.0, by_seed.min()), most) if bound > 0 else (-most, max(0.0, by_seed.max()))
        if claim.get("test") == "exact":  # by name: on either side
            ends = -most, most
        one = exact_test(by_seed, *ends)
    above, below = one.above(bound), one.below(bound)
    p_pass, p_fail = (above, below) if effect in ("greater", "not_lower") else (below, above)
    return Found(one.mean, one.interval(alpha), p_pass if len(gains) >= 6 else 1.0, p_fail)


def correlate(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float) -> Found:
    """The seeds' rank correlations over their configurations, which lie in [-1, 1]."""
    asked = claim["correlate"]
    of = {seed: stats.spearmanr(part[asked["x"]], part[asked["y"]]).statistic for seed, part in table.groupby("seed")}
    one = exact_test(pd.Series(of), -1.0, 1.0)
    return Found(one.mean, one.interval(alpha), one.above(asked["at_least"]), one.below(asked["at_least"]))


KINDS = {f.__name__: f for f in (mean, equivalent, best, share, typical, compare, interaction, correlate)}


def judged(name: str, claim: Mapping[str, Any], table: pd.DataFrame, alpha: float = 0.05) -> Found:
    kind = next(kind for kind in KINDS if kind in claim)
    return KINDS[kind](name, claim, table, alpha)


def outcomes(claims: list[dict[str, Any]], found: list[Found], alpha: float = 0.05) -> list[str]:
    """Holm within each family, for a claim and against it."""
    families = [claim.get("family", f"alone {i}") for i, claim in enumerate(claims)]
    p = np.array([[one.p_pass, one.p_fail] for one in found])
    for family in set(families):
        rows = np.array([i for i, other in enumerate(families) if other == family])
        for side in (0, 1):
            ranked = rows[np.argsort(p[rows, side])]
            p[ranked, side] = np.maximum.accumulate(p[ranked, side] * np.arange(len(ranked), 0, -1)).clip(max=1)
    return ["pass" if yes <= alpha else "fail" if no <= alpha else "undecided" for yes, no in p]


@pytest.mark.parametrize("name", JUDGED)
def test_every_verdict_is_found_again_from_the_ledger(name: str) -> None:
    sweep = yaml.safe_load((PUBLISHED / name / "sweep.yaml").read_text())
    published = json.loads((PUBLISHED / name / "verify.json").read_text())["verdicts"]
    claims = sweep["expect"]
    if isinstance(sweep["seeds"], dict):
        found, results = at_looks(name, claims, sweep["seeds"])
    else:
        found = [judged(name, claim, among(name, claim.get("where"))) for claim in claims]
        results = outcomes(claims, found)
    assert results == [one["outcome"] for one in published]
    for mine, theirs in zip(found, published, strict=True):
        assert mine.effect == pytest.approx(theirs["effect"], abs=1e-7)
        assert mine.interval == pytest.approx((theirs["ci_low"], theirs["ci_high"]), abs=1e-5)


def levels(fractions: list[float], alpha: float = 0.05) -> list[float]:
    """O'Brien and Fleming's spending (Lan and DeMets 1983): the joint distribution of the looks is normal."""
    spent = [2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(t)) for t in fractions]
    bounds = [float(stats.norm.isf(spent[0]))]
    for k in range(1, len(fractions)):
        t = np.array(fractions[: k + 1])
        joint = stats.multivariate_normal(cov=np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t)))
        bounds.append(optimize.brentq(lambda b, joint=joint: 1 - joint.cdf([*bounds, b]) - spent[len(bounds)], 0, 6))
    return [float(stats.norm.sf(bound)) for bound in bounds]


def at_looks(name: str, claims: list[dict[str, Any]], seeds: dict[str, Any]) -> tuple[list[Found], list[str]]:
    """Each claim at its last look: the first that decides, or the last that has all seeds."""
    sizes = np.linspace(seeds["start"], seeds["max"], 6).round().astype(int)
    most = trials(name).seed.max() + 1
    allowed = levels([size / seeds["max"] for size in sizes if size <= most])
    found, results = [], []
    for claim in claims:
        table = among(name, claim.get("where"))
        for setting, values in claim.get("compare", {}).items():
            table = table[table[setting].isin(values)]
        there = table.groupby("config").size().min()
        for size, level in zip(sizes, allowed, strict=False):
            if size > there:
                break
            last = judged(name, claim, table[table.seed < size], level)
            result = outcomes([{}], [last], level)[0]
            if result != "undecided":
                break
        found.append(last)
        results.append(result)
    return found, results


@pytest.mark.parametrize("name", NAMES)
def test_the_published_table_has_the_ledgers_numbers(name: str) -> None:
    table = pd.read_csv(PUBLISHED / name / "trials.csv").set_index("trial")
    mine = trials(name).set_index("trial").loc[table.index]
    metrics = [column for column in table.select_dtypes("number") if column in mine and column != "seed"]
    assert {"alignment", "task_accuracy", "posterior_entropy", "alignment_hard"} <= {*metrics}
    assert np.allclose(table[metrics], mine[metrics].astype(float), rtol=1e-9, atol=1e-12)
