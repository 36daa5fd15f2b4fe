"""Power as statsmodels and simulations of the judges have it, and what plan and validate say of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sweeper.analysis.claims.power import design
from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.claims.verify import judge
from sweeper.analysis.designs import BoundedDesign, Design, MeanDesign, MeanRegion, ShareDesign
from sweeper.analysis.evidence import collect
from sweeper.analysis.mean_tests import BoundedMean
from sweeper.spec.claims.convert import claim as record
from sweeper.spec.claims.keys import ClaimKeys
from sweeper.spec.claims.records import Claim
from sweeper.trial import Record
from tests.conftest import Sweeper
from tests.execution.runs import train
from tests.records import make_end, make_trial

FILE = """\
name: noisy
trainer: noisy:train
metric: {name: score, goal: maximize}
base: {gain: 0.1, spread: 0.1}
parameters:
  a: {values: [0, 1]}
  b: {values: [0, 1]}
seeds: 3
expect:
  - {name: one pair, metric: score, compare: {b: [1, 0]}, where: a == 1}
  - {name: at no cost, metric: score, compare: {b: [1, 0]}, effect: not_lower, margin: 0.1}
  - {name: nothing, metric: score, within: [0, 1], where: a > 7}
"""


def claimed(text: str) -> Claim:
    return record(ClaimKeys.model_validate({"name": "c", "metric": "score", **yaml.safe_load(f"{{{text}}}")}))


def records(seeds: int, score: Callable[[float, int], float] | None = None) -> list[Record]:
    """Four values of x, each with these seeds; finished where `score` says how."""
    trials = [make_trial(seed, x=x) for x in (0.0, 1.0, 2.0, 3.0) for seed in range(seeds)]
    ends = [make_end(t, score=score(float(str(t.varied["x"])), t.seed)) if score else None for t in trials]
    return [Record(trial, 1, ended=end) for trial, end in zip(trials, ends, strict=True)]


def planned_design(claim: Claim, planned: list[Record]) -> Design | None:
    return design(claim, collect(claim, planned), planned, [claim], measured=False)


def verdict(claim: Claim, found: list[Record]) -> Verdict:
    return judge([claim], found, Path())[0]


@pytest.mark.parametrize(
    ("text", "ideal"),
    [
        ("compare: {x: [1, 0]}", lambda x, seed: x),
        ("within: [-1, 1]", lambda x, seed: 0.0),
        ("mean: {at_least: 1}", lambda x, seed: 2.0),
        ("equivalent: {to: 1, margin: 0.1}", lambda x, seed: 1.0),
        ("typical: [-1, 1]", lambda x, seed: 0.0),
        ("best: {at_least: 1}", lambda x, seed: x),
        ("share: {above: 1, at_least: 0.5}", lambda x, seed: x),
        ("share: {above: 1, at_least: 0.8}, over: trials", lambda x, seed: 2.0),
        ("share: {above: 1, at_most: 0.2}, over: trials", lambda x, seed: 0.0),
        ("monotone: {x: increasing}", lambda x, seed: x),
        ("monotone: {x: increasing}, where: x < 2", lambda x, seed: x),
        ("mean: {at_least: 0.5}, range: [0, 3]", lambda x, seed: 3.0),
        ("within: [0.5, 2.5], range: [0, 3]", lambda x, seed: 1.5),
        ("equivalent: {to: 1, margin: 0.9}, range: [0, 3]", lambda x, seed: 0.25),
        ("best: {at_least: 1}, range: [0, 3]", lambda x, seed: 3.0),
        ("typical: [0.5, null], range: [0, 3]", lambda x, seed: 3.0),
        ("share: {above: 1, at_least: 0.8}, range: [0, 3]", lambda x, seed: 3.0),
        ("share: {above: 1, at_most: 0.2}, range: [0, 3]", lambda x, seed: 0.0),
        ("compare: {x: [1, 0]}, min_gain: 1.8, range: [0, 3]", lambda x, seed: 3 * (x == 1)),
        ("compare: {x: [1, 0]}, effect: less, min_gain: 0.5, range: [0, 3]", lambda x, seed: 3 * (x == 0)),
        ("compare: {x: [1, 0]}, effect: not_lower, margin: 0.5, test: signflip", lambda x, seed: 0.0),
        ("mean: {at_least: 0.5}, test: signflip", lambda x, seed: 3.0),
        ("mean: {at_least: 0.5}, test: signflip, alpha: 0.02", lambda x, seed: 3.0),
    ],
)
def test_with_the_fewest_seeds_a_perfect_result_passes_and_with_one_less_it_does_not(
    text: str, ideal: Callable[[float, int], float]
) -> None:
    claim = claimed(text)
    made = planned_design(claim, records(1))
    assert made is not None
    for seeds in range(1, 8):
        found = planned_design(claim, records(seeds))
        assert found is not None
        passes = verdict(claim, records(seeds, ideal)).outcome == "pass"
        assert passes == (found.found >= found.fewest) == (seeds >= made.seeds_needed)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("count", [2, 6, 40])
def test_power_and_the_smallest_effect_of_one_mean_are_those_of_statsmodels(count: int, alpha: float) -> None:
    from statsmodels.stats.power import TTestPower

    made = MeanDesign("pair", count, 2, alpha=alpha)
    smallest = made.distance(count, 0.2)
    assert smallest is not None
    test = TTestPower()
    assert test.power(smallest / 0.2, count, alpha, alternative="larger") == pytest.approx(0.8, abs=1e-4)
    power = made.power(0.1, 0.2, both_ends=False)
    assert power == pytest.approx(test.power(0.5, count, alpha, alternative="larger"), abs=1e-4)


def test_where_most_of_many_means_must_pass_each_has_more_to_do() -> None:
    made = MeanDesign("seed", 5, 2, tests=8, passing=7)
    smallest, sd, repeats = made.distance(5, 1.0), 1.0, 4000
    assert smallest is not None
    values = np.random.default_rng(0).normal(smallest, sd, (repeats, 8, 5))
    t = values.mean(axis=2) / values.std(axis=2, ddof=1) * math.sqrt(5)
    passed = ((t >= 2.1318).sum(axis=1) >= 7).mean()  # the 95 % point of t with 4 degrees of freedom
    assert passed == pytest.approx(0.8, abs=0.03)
    assert made.power(smallest, sd, both_ends=False) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("sd", [0.05, 0.3])
def test_the_smallest_effect_of_the_exact_test_is_found_four_times_in_five(sd: float) -> None:
    made = BoundedDesign("seed", 20, 2, region=MeanRegion(0, 1, above=0.3))
    effect, rng = made.distance(20, sd), np.random.default_rng(4)
    assert effect is not None
    mean = 0.3 + effect
    size = mean * (1 - mean) / sd**2 - 1
    drawn = rng.beta(mean * size, (1 - mean) * size, (300, 20))
    passed = np.mean([BoundedMean(values, 0, 1).p_above(0.3) <= 0.05 for values in drawn])
    assert passed == pytest.approx(0.8, abs=0.08)
    assert made.power(effect, sd, both_ends=False) == pytest.approx(0.8, abs=0.02)
    assert BoundedDesign("seed", 20, 2, region=MeanRegion(0, 1, above=0.95)).distance(20, sd) is None


def test_a_share_at_the_smallest_effect_is_found_four_times_in_five() -> None:
    from scipy.stats import binom

    effect = ShareDesign("trial", 30, 1, asked=0.5).distance(30, 0.0)
    assert effect is not None
    assert binom.sf(19, 30, 0.5) <= 0.05 < binom.sf(18, 30, 0.5)
    assert binom.sf(19, 30, 0.5 + effect) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.slow
def test_the_power_of_thousands_of_means_is_a_number() -> None:
    made = MeanDesign("seed", 5, 2, tests=2500, passing=1250)
    smallest = made.distance(5, 1.0)
    assert smallest is not None
    assert made.power(smallest, 1.0, both_ends=False) == pytest.approx(0.8, abs=1e-6)


def test_pages_test_has_about_the_power_that_is_said(capsys: Any) -> None:
    claim = claimed("monotone: {x: increasing}")
    made = planned_design(claim, records(8))
    assert made is not None
    rise, rng = made.distance(made.found, math.sqrt(2)), np.random.default_rng(1)
    assert rise is not None
    outcomes = [
        verdict(claim, records(8, lambda x, seed: rise * x / 3 + rng.normal())).outcome == "pass" for _ in range(300)
    ]
    assert np.mean(outcomes) == pytest.approx(0.8, abs=0.1)


def test_the_power_of_a_verdict_is_that_at_its_margin_with_the_spread_found() -> None:
    from statsmodels.stats.power import TTestPower

    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.1, (4, 9))
    found = verdict(
        claimed("compare: {x: [1, 0]}, effect: not_lower, margin: 0.1"), records(9, lambda x, s: noise[int(x), s])
    )
    sd = (noise[1] - noise[0]).std(ddof=1)
    assert found.power == pytest.approx(TTestPower().power(0.1 / sd, 9, 0.05, alternative="larger"), abs=1e-6)
    assert verdict(claimed("compare: {x: [1, 0]}"), records(9, lambda x, s: noise[int(x), s])).power is None
    assert verdict(claimed("within: [0, 1]"), records(1, lambda x, s: 0.5)).power is None


def test_plan_and_validate_name_the_claims_that_can_never_pass(folder: Path, sweeper: Sweeper) -> None:
    (folder / "noisy.yaml").write_text(FILE)
    said = sweeper("validate", "noisy.yaml")
    assert said.code == 0
    for word in ("noisy.yaml:10", "'one pair' can never pass", "3 pairs with 3 seeds", "at least 6 pairs", "seeds: 6"):
        assert word in said.err
    assert "no configuration has a > 7" in said.err
    one, other, nothing = sweeper("plan", "noisy.yaml", "--json", "--assume-sd", "0.2").json()["claims"]
    assert (one["decidable"], one["found"], one["needs"], one["seeds_needed"]) == (False, 3, 6, 6)
    assert (other["decidable"], other["sd"], nothing["decidable"]) == (True, 0.2, False)
    assert 0.4 < other["smallest_effect"] < 0.5  # of three values, one per seed
    assert sweeper("validate", "noisy.yaml", "--assume-sd", "-1").code == 2


def test_the_spread_is_that_of_earlier_differences_and_more_seeds_have_a_cost(folder: Path, sweeper: Sweeper) -> None:
    file = folder / "noisy.yaml"
    file.write_text(FILE)
    train(file, "seeds=8")
    for name in ("noisy", "another"):
        claim = sweeper("plan", file, f"name={name}", "--json").json()["claims"][1]
        assert 0.05 < claim["sd"] < 0.3
        assert claim["sd_from"] == "of 8 values in noisy"
        assert claim["power"] is not None
        assert claim["half_effect_seeds"] > 3
        assert (claim["half_effect_device_hours"] is not None) == (name == "noisy")
    assert "80 % power" in sweeper("plan", file).out


def test_a_best_without_a_contrast_and_a_gain_beyond_the_range_are_warned_of(folder: Path, sweeper: Sweeper) -> None:
    gain = "{name: up, metric: score, range: [-1, 0.5], compare: {a: [1, 0]}, min_gain: 0.9}"
    peak = "{name: peak, metric: score, best: {at_least: 0.2}}"
    (folder / "noisy.yaml").write_text(f"{FILE[: FILE.index('expect')]}expect: [{peak}]\n")
    assert "'peak': some configuration may reach that" in sweeper("validate", "noisy.yaml").err
    (folder / "noisy.yaml").write_text(f"{FILE[: FILE.index('expect')]}expect: [{peak}, {gain}]\n")
    assert "peak" not in sweeper("validate", "noisy.yaml").err
    train(folder / "noisy.yaml", "seeds=8")
    warned = sweeper("validate", "noisy.yaml").err
    assert "'up': a=0 had a mean of" in warned
    assert "it can gain" in warned
    there = "{name: up, metric: score, range: [-1, 1.2], where: a == 0, compare: {b: [1, 0]}, min_gain: 0.9}"
    (folder / "noisy.yaml").write_text(f"{FILE[: FILE.index('expect')]}expect: [{peak}, {there}]\n")
    assert "it can gain" not in sweeper("validate", "noisy.yaml").err  # trials with a=1 would leave 0.7
