"""Claims about more than one metric: dominates and correlate, by hand and by scipy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sweeper.analysis.claims.power import design
from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.claims.verify import judge
from sweeper.analysis.evidence import collect
from sweeper.spec.claims.convert import claim as record
from sweeper.spec.claims.keys import ClaimKeys
from sweeper.spec.claims.records import Claim
from sweeper.trial import Record, State
from tests.records import make_end, make_trial

Metrics = Callable[[int, int], dict[str, float]]
GOALS = [{"name": "score", "goal": "maximize"}, {"name": "loss", "goal": "minimize", "margin": 0.1}]


def records(metrics: Metrics, seeds: int = 8, configs: int = 2) -> list[Record]:
    """p = 0, 1, ... with the same seeds."""
    at = [(p, s) for p in range(configs) for s in range(seeds)]
    trials = [make_trial(s, p=p) for p, s in at]
    return [
        Record(t, 1, ended=make_end(t, State.COMPLETED, **metrics(p, s))) for t, (p, s) in zip(trials, at, strict=True)
    ]


def claimed(**keys: Any) -> Claim:
    return record(ClaimKeys.model_validate({"name": "n", **keys}))


def verdict(found: list[Record], **keys: Any) -> Verdict:
    return judge([claimed(**keys)], found, Path())[0]


def dominates(found: list[Record], **keys: Any) -> Verdict:
    return verdict(found, dominates={"p": [1, 0]}, goals=GOALS, **keys)


NOISE = np.random.default_rng(4).normal(0, 0.05, (2, 12, 30))


def test_better_in_one_goal_and_no_worse_in_the_other_dominates() -> None:
    found = dominates(records(lambda p, s: {"score": p + NOISE[0, p, s], "loss": NOISE[1, p, s]}))
    assert found.outcome == "pass"
    assert [row.label for row in found.rows] == ["score", "loss"]
    assert [row.outcome for row in found.rows] == ["pass", "pass"]
    assert "score (maximize): gain 1.007 [0.9532, 1.061], claimed at least 0, over 8 pairs" in found.sentence
    assert found.metric == "score, loss"


def test_no_worse_in_any_goal_is_not_enough() -> None:
    same = dominates(records(lambda p, s: {"score": NOISE[0, p, s], "loss": NOISE[1, p, s]}))
    assert same.outcome == "undecided"
    worse = dominates(records(lambda p, s: {"score": NOISE[0, p, s] - p, "loss": NOISE[1, p, s] + p}))
    assert worse.outcome == "fail"


def test_better_in_one_goal_and_worse_in_the_other_fails_by_the_goal_that_is_worse() -> None:
    found = dominates(records(lambda p, s: {"score": p + NOISE[0, p, s], "loss": p + NOISE[1, p, s]}))
    assert found.outcome == "fail"
    assert found.effect == pytest.approx(1, abs=0.1)
    assert [row.outcome for row in found.rows] == ["pass", "fail"]


def test_the_p_value_is_the_larger_of_all_no_worse_and_one_better_at_bonferroni() -> None:
    found = records(lambda p, s: {"score": 0.05 * p + NOISE[0, p, s], "loss": NOISE[1, p, s]})
    gains = NOISE[0, 1, :8] - NOISE[0, 0, :8] + 0.05
    rises = NOISE[1, 1, :8] - NOISE[1, 0, :8]
    no_worse = [stats.ttest_1samp(gains, 0, alternative="greater"), stats.ttest_1samp(rises, 0.1, alternative="less")]
    better = [stats.ttest_1samp(gains, 0, alternative="greater"), stats.ttest_1samp(rises, 0, alternative="less")]
    expected = max(*(one.pvalue for one in no_worse), 2 * min(one.pvalue for one in better))
    assert dominates(found).p == pytest.approx(expected)


def test_a_goal_without_values_is_named() -> None:
    found = dominates(records(lambda p, s: {"score": float(p)}))
    assert found.outcome == "undecided"
    assert "loss: no two trials have both ended with a value" in found.sentence


def test_few_pairs_cannot_pass() -> None:
    found = dominates(records(lambda p, s: {"score": p + NOISE[0, p, s], "loss": NOISE[1, p, s]}, seeds=4))
    assert found.outcome == "undecided"
    assert "needs 6 pairs" in found.sentence


def correlate(found: list[Record], **keys: Any) -> Verdict:
    return verdict(found, correlate={"x": "jsd", "y": "alignment", **keys})


def tracking(noise: float) -> Metrics:
    return lambda p, s: {"jsd": p + noise * NOISE[0, p, s], "alignment": p**2 + noise * NOISE[1, p, s]}


def test_the_effect_is_the_mean_of_the_seeds_correlations() -> None:
    found = records(tracking(60.0), seeds=10, configs=8)
    by_seed = [
        stats.spearmanr([p + 60 * NOISE[0, p, s] for p in range(8)], [p**2 + 60 * NOISE[1, p, s] for p in range(8)])
        for s in range(10)
    ]
    judged = correlate(found, at_least=0.2)
    assert judged.effect == pytest.approx(np.mean([one.statistic for one in by_seed]))
    assert (judged.n, judged.test, len(judged.rows)) == (10, "exact", 10)
    pearson = correlate(found, at_least=0.2, coefficient="pearson")
    assert pearson.effect != pytest.approx(judged.effect)


def test_metrics_that_move_together_pass_and_those_that_do_not_fail() -> None:
    assert correlate(records(tracking(0.0), seeds=8, configs=6), at_least=0.3).outcome == "pass"
    apart = records(lambda p, s: {"jsd": float(p), "alignment": float(-p)}, seeds=8, configs=6)
    assert correlate(apart, at_least=0.3).outcome == "fail"
    assert correlate(apart, at_most=0.0).outcome == "pass"


def test_a_few_seeds_that_agree_do_not_exclude_a_rare_one() -> None:
    found = correlate(records(tracking(0.0), seeds=3, configs=6), at_least=0.3)
    assert found.outcome == "undecided"
    assert found.needed is not None
    assert found.needed > 3


def test_a_metric_without_spread_follows_nothing_and_two_configurations_show_nothing() -> None:
    flat = correlate(records(lambda p, s: {"jsd": 1.0, "alignment": float(p)}, configs=4), at_least=0.1)
    assert flat.outcome == "fail" or flat.effect == 0
    assert "without spread" in flat.sentence
    two = correlate(records(tracking(0.0), configs=2), at_least=0.1)
    assert "no seed has 3 configurations" in two.sentence


def test_a_plan_names_how_many_seeds_they_need() -> None:
    found = records(tracking(0.0), seeds=3, configs=6)
    follows = claimed(correlate={"x": "jsd", "y": "alignment", "at_least": 0.5})
    made = design(follows, collect(follows, found), found, [follows], measured=False)
    assert made is not None
    assert made.found == 3
    enough = records(tracking(0.0), seeds=made.fewest, configs=6)
    assert judge([follows], enough, Path())[0].outcome == "pass"
    fewer = records(tracking(0.0), seeds=made.fewest - 1, configs=6)
    assert judge([follows], fewer, Path())[0].outcome == "undecided"
    front = claimed(dominates={"p": [1, 0]}, goals=GOALS)
    planned = records(tracking(0.0))
    pairs = design(front, collect(front, planned), planned, [front], measured=False)
    assert pairs is not None
    assert (pairs.found, pairs.fewest) == (8, 6)


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"dominates": {"p": [1, 0]}}, "dominates needs goals"),
        ({"dominates": {"p": [1, 0]}, "goals": GOALS, "metric": "score"}, "names its metrics by goals"),
        ({"dominates": {"p": [1, 0]}, "goals": [GOALS[0], GOALS[0]]}, "named twice"),
        ({"dominates": {"p": [1, 1]}, "goals": GOALS}, "the two values are the same"),
        ({"dominates": {}, "goals": GOALS}, "at least one parameter"),
        ({"dominates": {"p": [1, 0]}, "goals": GOALS, "margin": 0.1}, "goes with compare and interaction only"),
        ({"compare": {"p": [1, 0]}}, "the metric is missing"),
        ({"compare": {"p": [1, 0]}, "metric": "score", "goals": GOALS}, "goals go with dominates only"),
        ({"correlate": {"x": "jsd", "y": "jsd", "at_least": 0.5}}, "the same metric"),
        ({"correlate": {"x": "jsd", "y": "alignment"}}, "one bound is needed"),
        ({"correlate": {"x": "jsd", "y": "alignment", "at_least": 1.5}}, "less than or equal to 1"),
        ({"correlate": {"x": "jsd", "y": "alignment", "at_least": 0.5}, "over": "trials"}, "over does not go"),
        ({"correlate": {"x": "jsd", "y": "alignment", "at_least": 0.5}, "test": "signflip"}, "no such test"),
    ],
)
def test_what_cannot_be_claimed_is_refused(keys: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        claimed(**keys)
