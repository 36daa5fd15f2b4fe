from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sweeper.analysis.effects import as_frame, effects
from sweeper.trial import Record, State
from tests.records import make_end, make_trial


def test_effects_are_scipys_paired_tests_with_holm_over_all_of_them() -> None:
    rng = np.random.default_rng()
    scores = rng.normal(size=(3, 2, 5)) + np.array([0, 0.5, 2])[:, None, None]
    trials = [(a, b, s) for a in range(3) for b in range(2) for s in range(5)]
    records = [
        Record(trial, ended=make_end(trial, score=scores[place]))
        for place in trials
        for trial in [make_trial(place[2], a=place[0], b=place[1])]
    ]
    found = effects(records, "score")
    assert [(e.parameter, e.first, e.second, e.n) for e in found] == [
        ("a", 0, 1, 10), ("a", 0, 2, 10), ("a", 1, 2, 10), ("b", 0, 1, 15)
    ]  # fmt: skip
    tests = [stats.ttest_rel(scores[j].ravel(), scores[i].ravel()) for i, j in ((0, 1), (0, 2), (1, 2))]
    tests.append(stats.ttest_rel(scores[:, 1].ravel(), scores[:, 0].ravel()))
    np.testing.assert_allclose([e.p for e in found], [test.pvalue for test in tests], atol=1e-9)
    holm = multipletests([test.pvalue for test in tests], method="holm")[1]
    np.testing.assert_allclose([e.p_holm for e in found], holm, atol=1e-9)
    ends = [test.confidence_interval(0.95) for test in tests]
    np.testing.assert_allclose([(e.ci_low, e.ci_high) for e in found], ends, atol=1e-9)
    assert list(as_frame(found).columns)[:5] == ["metric", "parameter", "first", "second", "gain"]


def test_pairs_that_lack_a_value_are_counted_as_lost() -> None:
    places = [(a, seed) for a in (0, 1) for seed in range(3)]
    trials = [make_trial(seed, a=a) for a, seed in places]
    records = [Record(t, ended=make_end(t, score=float(a + s))) for t, (a, s) in zip(trials[:-1], places, strict=False)]
    records.append(Record(trials[-1], ended=make_end(trials[-1], State.DIVERGED)))
    [one] = effects(records, "score")
    assert (one.gain, one.n, one.lost, one.p) == (1.0, 2, 1, 0.0)


@pytest.mark.parametrize("metric", ["nothing", "score"])
def test_nothing_that_varies_has_no_effect(metric: str) -> None:
    trials = [make_trial(seed, a=1) for seed in range(3)]
    assert effects([Record(t, ended=make_end(t, score=1.0)) for t in trials], metric) == []
