"""Differences of differences, by hand and by scipy, on results that are written down here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sweeper.analysis.claims.power import design, power_of
from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.claims.verify import judge
from sweeper.analysis.evidence import collect
from sweeper.spec.claims.convert import claim as record
from sweeper.spec.claims.keys import ClaimKeys
from sweeper.trial import Record
from tests.records import make_end, make_trial

Score = Callable[[int, int, int, int], float]


def records(score: Score, seeds: int = 8, others: int = 1) -> list[Record]:
    """p and q in 0, 1, 2 and `others` values of c, each with the same seeds."""
    grid = [(p, q, c, s) for p in range(3) for q in range(3) for c in range(others) for s in range(seeds)]
    trials = [make_trial(s, p=p, q=q, c=c) for p, q, c, s in grid]
    return [Record(t, 1, ended=make_end(t, score=score(*at))) for t, at in zip(trials, grid, strict=True)]


def verdict(found: list[Record], **keys: Any) -> Verdict:
    claimed = {"name": "n", "metric": "score", "interaction": {"p": [0, 1], "q": [0, 2]}, **keys}
    return judge([record(ClaimKeys.model_validate(claimed))], found, Path())[0]


def noise(scale: float = 0.1) -> Score:
    values = np.random.default_rng(5).normal(0, scale, (3, 3, 4, 30))
    return lambda p, q, c, s: float(values[p, q, c, s])


def test_the_effect_and_its_p_value_are_those_of_a_t_test_of_the_differences_of_differences() -> None:
    error = noise()

    def score(p: int, q: int, c: int, s: int) -> float:
        return 0.3 * p + 0.2 * q + 0.05 * p * q + error(p, q, c, s)

    values = [(score(1, 2, 0, s) - score(0, 2, 0, s)) - (score(1, 0, 0, s) - score(0, 0, 0, s)) for s in range(8)]
    found = verdict(records(score), min_gain=0.05)
    expected = stats.ttest_1samp(values, 0.05, alternative="greater")
    assert found.effect == pytest.approx(np.mean(values))
    assert found.n == 8
    assert found.p == pytest.approx(expected.pvalue)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert [found.ci_low, found.ci_high] == pytest.approx([interval.low, interval.high])


def test_what_adds_up_is_no_interaction_and_what_adds_more_is() -> None:
    error = noise(0.01)
    assert verdict(records(lambda p, q, c, s: p + 2 * q + error(p, q, c, s)), min_gain=0.1).outcome == "fail"
    assert verdict(records(lambda p, q, c, s: p + q + p * q + error(p, q, c, s)), min_gain=1.9).outcome == "pass"
    swapped = verdict(records(lambda p, q, c, s: p * q), interaction={"q": [2, 0], "p": [1, 0]})
    assert (swapped.outcome, swapped.effect) == ("pass", 2)
    reversed_ = verdict(records(lambda p, q, c, s: p * q), interaction={"q": [2, 0], "p": [0, 1]}, effect="less")
    assert (reversed_.outcome, reversed_.effect) == ("pass", -2)


def test_settings_that_share_a_seed_are_one_value_of_that_seed() -> None:
    luck = np.random.default_rng(2).normal(0, 0.1, 8)
    found = verdict(records(lambda p, q, c, s: p * q * luck[s], others=3))
    alone = verdict(records(lambda p, q, c, s: p * q * luck[s], others=1))
    assert found.n == 8
    assert found.p == pytest.approx(alone.p)
    assert [row.n for row in found.rows] == [8, 8, 8]


def test_a_lost_trial_does_not_turn_the_choices_of_other_settings_into_noise() -> None:
    error = noise(0.01)
    known = records(lambda p, q, c, s: (1 + c) * p * q + error(p, q, c, s), others=2)
    lost = next(one for one in known if one.trial.seed == 3 and one.trial.params["c"] == 1 and one.trial.params["p"])
    whole, found = verdict(known, min_gain=2.9), verdict([one for one in known if one is not lost], min_gain=2.9)
    assert (found.outcome, found.n) == ("pass", 8)
    assert found.effect == pytest.approx(whole.effect, abs=0.02)


def test_opposite_effects_are_not_pooled_and_the_spread_is_always_shown() -> None:
    error = noise(0.01)
    found = verdict(records(lambda p, q, c, s: (1, 0.9, -0.2, 1)[c] * p * q + error(p, q, c, s), others=4))
    assert found.outcome == "undecided"
    assert "not pooled over opposite effects: c=2 (-0.39" in found.sentence
    assert found.needed is None
    same = verdict(records(lambda p, q, c, s: (1, 0.9)[c] * p * q + error(p, q, c, s), others=2))
    assert same.outcome == "pass"
    assert "from +1.793 at c=1 to +1.998 at c=0" in same.sentence
    assert verdict(records(lambda p, q, c, s: p * q, others=2), effect="less").outcome == "fail"


def test_too_few_seeds_or_corners_decide_nothing() -> None:
    few = verdict(records(lambda p, q, c, s: p * q, seeds=5))
    assert (few.outcome, few.needed) == ("undecided", 6)
    assert "an interaction needs 6 seeds" in few.sentence
    for where, why in (("q != 2", "no seed has all four trials of p: 0 and 1, q: 0 and 2"), ("p == 0", "no seed")):
        missing = verdict(records(lambda p, q, c, s: p * q), where=where)
        assert (missing.outcome, missing.n) == ("undecided", 0)
        assert why in missing.sentence
    diverging = verdict(records(lambda p, q, c, s: float("nan") if (p, q, s) == (1, 2, 3) else p * q))
    assert diverging.n == 7
    assert "1 block of four lost" in diverging.sentence


def test_the_design_counts_seeds_and_its_power_is_that_of_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    error = noise()
    claim = record(
        ClaimKeys(name="n", metric="score", interaction={"p": [0, 1], "q": [0, 2]}, effect="not_lower", margin=0.1)
    )
    found = records(error, seeds=9, others=2)
    evidence = collect(claim, found)
    made = design(claim, evidence, found, [claim], measured=True)
    assert made is not None
    assert (made.unit, made.found, made.fewest, made.seeds_needed) == ("seed", 9, 6, 6)
    values = [
        np.mean([error(1, 2, c, s) - error(0, 2, c, s) - error(1, 0, c, s) + error(0, 0, c, s) for c in (0, 1)])
        for s in range(9)
    ]
    expected = TTestPower().power(0.1 / np.std(values, ddof=1), 9, 0.05, alternative="larger")
    assert power_of(claim, evidence, found, [claim]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("seeds", "keys"), [(1, {}), (2, {}), (2, {"effect": "not_lower", "margin": 0.5})])
def test_the_seeds_that_are_needed_bring_six_pairs_at_least(seeds: int, keys: dict[str, Any]) -> None:
    known = records(lambda p, q, c, s: p * (1 + s * 0.1), seeds=seeds, others=2)
    compared = verdict(known, interaction=None, compare={"p": [1, 0]}, where="q == 0", **keys)
    assert compared.outcome == "undecided"
    assert "needs 6 pairs" in compared.sentence
    assert compared.needed is None or compared.needed >= 3
