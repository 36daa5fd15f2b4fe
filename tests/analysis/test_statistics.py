"""Agreement with scipy and statsmodels on data drawn afresh at every run (the seed is printed when a test fails)."""

from __future__ import annotations

import math
import secrets

import numpy as np
import pytest
from scipy import stats

from sweeper.analysis import statistics
from sweeper.analysis.statistics import Estimate, estimate

SEED = secrets.randbits(32)


@pytest.fixture
def rng() -> np.random.Generator:
    print("seed", SEED)
    return np.random.default_rng(SEED)


def test_interval_and_tests_of_a_mean_are_scipys(rng: np.random.Generator) -> None:
    for count in (2, 3, 10):
        values = rng.normal(size=count)
        mean, error = values.mean(), stats.sem(values)
        found = estimate(values.tolist())
        np.testing.assert_allclose(found.interval(), stats.t.interval(0.95, count - 1, mean, error), atol=1e-9)
        test = stats.ttest_1samp(values, 0.2, alternative="greater")
        assert found.p_above(0.2) == pytest.approx(test.pvalue, abs=1e-9)
        assert found.p_below(0.2) == pytest.approx(1 - test.pvalue, abs=1e-9)


def test_a_paired_difference_is_scipys(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=(2, 7))
    test = stats.ttest_rel(first, second, alternative="greater")
    found = statistics.paired(first.tolist(), second.tolist())
    assert found.p_above(0) == pytest.approx(test.pvalue, abs=1e-9)
    both = stats.ttest_rel(first, second).confidence_interval(0.9)
    np.testing.assert_allclose(found.interval(0.9), both, atol=1e-9)


def test_an_unpaired_difference_is_welchs(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=5), rng.normal(1, 3, size=9)
    test = stats.ttest_ind(first, second, equal_var=False)
    found = statistics.welch(first.tolist(), second.tolist())
    np.testing.assert_allclose(found.interval(), test.confidence_interval(), atol=1e-9)
    assert found.df == pytest.approx(test.df, abs=1e-9)


def test_two_one_sided_tests_are_those_of_statsmodels(rng: np.random.Generator) -> None:
    from statsmodels.stats.weightstats import DescrStatsW

    values = rng.normal(0.1, 0.2, size=8)
    p, lower, upper = DescrStatsW(values).ttost_mean(-0.3, 0.4)
    found = estimate(values.tolist())
    assert found.p_above(-0.3) == pytest.approx(lower[1], abs=1e-9)
    assert found.p_below(0.4) == pytest.approx(upper[1], abs=1e-9)
    assert max(found.p_above(-0.3), found.p_below(0.4)) == pytest.approx(p, abs=1e-9)


def test_the_grand_mean_of_one_group_is_its_mean_and_of_two_has_welchs_error(rng: np.random.Generator) -> None:
    first, second = rng.normal(size=4).tolist(), rng.normal(size=6).tolist()
    one, alone = statistics.grand_mean([first]), estimate(first)
    np.testing.assert_allclose([one.mean, one.se, one.df], [alone.mean, alone.se, alone.df], atol=1e-12)
    both, apart = statistics.grand_mean([first, second]), statistics.welch(first, second)
    assert both.se == pytest.approx(apart.se / 2, abs=1e-12)
    assert both.df == pytest.approx(apart.df, abs=1e-9)


def test_the_interval_of_a_grand_mean_covers_as_often_as_it_says(rng: np.random.Generator) -> None:
    true, covered = np.array([0.0, 1.0, 5.0]), 0
    for _ in range(1000):
        low, high = statistics.grand_mean((true[:, None] + rng.normal(size=(3, 3))).tolist()).interval(0.9)
        covered += low <= true.mean() <= high
    assert 0.86 < covered / 1000 < 0.945  # 0.9 give or take four standard errors; Satterthwaite is a little wide


def test_holm_is_that_of_statsmodels(rng: np.random.Generator) -> None:
    from statsmodels.stats.multitest import multipletests

    for count in (2, 5):
        p = rng.uniform(0, 0.4, size=count).tolist()
        np.testing.assert_allclose(statistics.holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    assert statistics.holm([]) == []
    assert statistics.holm([0.3]) == [0.3]


def test_the_bootstrap_is_the_same_for_the_same_values_and_stays_inside_them(rng: np.random.Generator) -> None:
    values = rng.normal(size=6).tolist()
    low, high = statistics.bootstrap(values)
    assert (low, high) == statistics.bootstrap(values)
    assert min(values) <= low < high <= max(values)
    assert statistics.bootstrap([1.0, 1.0]) == (1.0, 1.0)


def test_one_value_says_nothing_of_the_next() -> None:
    one = estimate([0.5])
    assert one.interval() == (-math.inf, math.inf)
    assert one.p_above(-1e9) == one.p_below(1e9) == 0.5


def test_without_spread_a_bound_is_met_or_not() -> None:
    same = estimate([0.3 - 0.2] * 3)
    assert same.interval() == (same.mean, same.mean)
    assert (same.p_above(0.1), same.p_above(0.1, strict=True), same.p_below(0.1)) == (0.0, 1.0, 0.0)
    assert estimate([0.1 + 1.5e-12] * 3).p_above(0.1, strict=True) == 0.0  # beyond rounding


@pytest.mark.parametrize(("effect", "alpha"), [(0.1, 0.05), (0.5, 0.05), (1.0, 1e-4), (3.0, 0.05), (100.0, 0.01)])
def test_enough_is_the_number_of_values_at_which_statsmodels_power_is_80_percent(effect: float, alpha: float) -> None:
    from statsmodels.stats.power import TTestPower

    count = statistics.enough(Estimate(0.5, 1 / math.sqrt(3), 2, 3), [0.5 - effect], alpha)
    assert count is not None
    power = [TTestPower().power(effect, n, alpha, alternative="larger") for n in (count - 1, count) if n > 1]
    assert power[-1] >= 0.8
    assert all(one < 0.8 for one in power[:-1])


def test_with_enough_values_two_one_sided_tests_pass_four_times_in_five(rng: np.random.Generator) -> None:
    count = statistics.enough(Estimate(0.0, 1 / math.sqrt(3), 2, 3), [-0.7, 0.7], 0.05)
    assert count is not None
    samples = [estimate(row.tolist()) for row in rng.normal(size=(1000, count))]
    passed = sum(max(one.p_above(-0.7), one.p_below(0.7)) <= 0.05 for one in samples)
    assert 0.75 < passed / 1000 < 0.9  # 0.8 less four standard errors; one value fewer would not reach it


def test_no_number_is_enough_on_the_bound_itself_and_an_infinite_bound_asks_for_none() -> None:
    assert statistics.enough(Estimate(0.5, 1, 2, 3), [0.5], 0.05) is None
    assert statistics.enough(Estimate(0.5, 1, 2, 3), [0.49], 0.05) is None
    assert statistics.enough(Estimate(0.5, 0.01, 2, 3), [-math.inf, 9.0], 0.05) == 2


def test_the_effect_size_is_in_standard_deviations(rng: np.random.Generator) -> None:
    values = rng.normal(1, 1, size=9)
    assert statistics.effect_size(values.tolist()) == pytest.approx(values.mean() / values.std(ddof=1), abs=1e-9)


def test_a_group_of_one_value_borrows_the_spread_of_the_others() -> None:
    found = statistics.grand_mean([[1.0, 3.0], [5.0]])
    assert found.mean == 3.5
    assert found.se == pytest.approx(math.sqrt((1 + 2) / 4))
    assert statistics.grand_mean([[1.0], [2.0]]).se == math.inf


def test_groups_without_spread_keep_their_degrees_of_freedom() -> None:
    found = statistics.grand_mean([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert (found.se, found.df, found.n) == (0.0, 3, 6)


def test_no_corrected_p_value_is_above_one() -> None:
    assert list(statistics.holm([0.9, 0.8, 0.01])) == pytest.approx([1.0, 1.0, 0.03])
