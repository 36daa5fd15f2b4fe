"""Success rates: the share of seeds whose metric reaches a value, by hand and by scipy."""

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
from sweeper.analysis.mean_tests import BoundedMean
from sweeper.spec.claims.convert import claim as record
from sweeper.spec.claims.keys import ClaimKeys
from sweeper.spec.claims.records import Claim
from sweeper.trial import Record, State
from tests.records import make_end, make_trial

REACH = {"above": 0.9}


def records(score: Callable[[int, int], float | None], configs: int, seeds: int) -> list[Record]:
    """Trials of p = 0, 1, ...; those without a score diverged."""
    found = []
    for p in range(configs):
        for seed in range(seeds):
            trial, value = make_trial(seed, p=p), score(p, seed)
            end = make_end(trial, State.DIVERGED) if value is None else make_end(trial, score=value)
            found.append(Record(trial, 1, ended=end))
    return found


def claimed(**keys: Any) -> Claim:
    return record(ClaimKeys.model_validate({"name": "n", "metric": "score", "success": REACH, **keys}))


def verdict(found: list[Record], **keys: Any) -> Verdict:
    return judge([claimed(**keys)], found, Path())[0]


def test_a_rate_has_the_exact_binomial_test_and_interval_and_diverged_seeds_are_no_successes() -> None:
    found = records(lambda p, s: None if s == 0 else 0.5 if s == 1 else 0.95, 1, 20)
    one = verdict(found, mean={"at_least": 0.6})
    expected = stats.binomtest(18, 20, 0.6, alternative="greater")
    assert (one.effect, one.n, one.test, one.outcome) == (0.9, 20, "exact", "pass")
    assert one.p == pytest.approx(expected.pvalue)
    interval = stats.binomtest(18, 20).proportion_ci(0.9, method="exact")
    assert [one.ci_low, one.ci_high] == pytest.approx([interval.low, interval.high])
    assert one.sentence.startswith("share of seeds with score at least 0.9: 1 of 1 configuration at least 0.6")
    assert "not counted" not in one.sentence
    assert "exact binomial test" in one.sentence


def test_mean_is_about_every_configuration_and_best_about_one_whose_choice_is_paid_for() -> None:
    found = records(lambda p, s: 1.0 if p == 0 or s < 5 else 0.0, 4, 10)
    every, best = verdict(found, mean={"at_least": 0.6}), verdict(found, best={"at_least": 0.6})
    assert [row.effect for row in every.rows] == [1, 0.5, 0.5, 0.5]
    assert (every.outcome, best.outcome) == ("undecided", "pass")
    assert best.p == pytest.approx(4 * 0.6**10)
    assert verdict(found, best={"at_least": 0.75}).outcome == "undecided"  # 4 x 0.75^10 is more than 0.05
    assert verdict(found, mean={"at_most": 0.5}).outcome == "fail"


def test_no_success_among_few_seeds_does_not_decide_against_a_rate() -> None:
    found = records(lambda p, s: 0.0, 1, 2)
    assert verdict(found, best={"at_least": 0.5}).outcome == "undecided"
    assert verdict(found, best={"at_least": 0.9}).outcome == "fail"


def test_two_settings_are_compared_by_the_seeds_where_only_one_succeeded() -> None:
    found = records(lambda p, s: 0.0 if p == 0 and s < 8 else 0.0 if p == 1 and s == 9 else 1.0, 2, 20)
    one = verdict(found, compare={"p": [1, 0]})
    expected = stats.binomtest(8, 9, 0.5, alternative="greater")  # McNemar: 8 seeds for, one against
    assert one.p == pytest.approx(expected.pvalue)
    assert one.effect == pytest.approx(7 / 20)
    assert (one.outcome, one.test) == ("pass", "exact")
    assert verdict(found, compare={"p": [0, 1]}).outcome == "fail"
    assert verdict(found, compare={"p": [1, 0]}, min_gain=0.3).outcome == "undecided"


def test_seeds_that_all_configurations_share_are_draws_not_trials() -> None:
    """Ten configurations that always succeed or fail together are no more evidence than one."""
    share = {"above": 0.9, "at_least": 0.7}
    together = verdict(records(lambda p, s: 1.0, 10, 6), share=share, over="trials", success=None)
    assert together.outcome == "undecided"  # 60 of 60 trials, and 0.7^6 is more than 0.05
    assert together.p == pytest.approx(BoundedMean(np.ones(6), 0, 1).p_above(0.7))
    alone = verdict(records(lambda p, s: 1.0, 1, 9), share=share, over="trials", success=None)
    assert alone.outcome == "pass"
    assert alone.p == pytest.approx(0.7**9)


def test_all_seeds_at_the_end_of_the_range_are_no_evidence_against_that_end() -> None:
    found = records(lambda p, s: 1.0, 3, 40)
    share = {"above": 0.9, "at_least": 1}
    assert verdict(found, share=share, over="trials", success=None).outcome == "undecided"
    assert verdict(found, mean={"at_least": 1}).outcome == "undecided"
    assert verdict(found, mean={"at_least": 1}, success=None, range=[0, 1]).outcome == "undecided"


def test_the_plan_knows_how_many_seeds_a_rate_takes_at_least() -> None:
    claim, planned = claimed(mean={"at_least": 0.8}), records(lambda p, s: 1.0, 3, 6)
    made = design(claim, collect(claim, planned), planned, [], measured=False)
    assert made is not None
    assert (made.unit, made.found, made.fewest) == ("seed", 6, 14)  # 0.8^14 is less than 0.05
