from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweeper.analysis.mean_tests import BootstrapMean, BoundedMean, SignFlip, bounded
from sweeper.analysis.statistics import means_by_seed, partial_conjunction

VALUES = np.random.default_rng(1).gamma(2, size=11)


def test_sign_flips_are_scipys_permutation_test() -> None:
    expected = stats.permutation_test(
        (VALUES - 1.5,), np.sum, permutation_type="samples", alternative="greater", n_resamples=10_000
    )
    assert SignFlip(VALUES).p_above(1.5) == pytest.approx(expected.pvalue)


def test_the_bootstrap_is_scipys_bca() -> None:
    values = np.random.default_rng(2).gamma(2, size=25)
    expected = stats.bootstrap((values,), np.mean, confidence_level=0.9, n_resamples=50_000, rng=3).confidence_interval
    assert BootstrapMean(values).interval(0.9) == pytest.approx((expected.low, expected.high), abs=0.03)


@pytest.mark.parametrize("kind", [SignFlip, BootstrapMean, lambda values: BoundedMean(values, 0, 10)])
def test_an_interval_ends_where_the_one_sided_tests_do(kind: type[SignFlip]) -> None:
    test = kind(VALUES)
    low, high = test.interval(0.9)
    assert test.p_above(low - 1e-6) <= 0.05 <= test.p_above(low + 1e-2)
    assert test.p_below(high + 1e-6) <= 0.05 <= test.p_below(high - 1e-2)


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("count", [3, 10])
def test_the_exact_test_holds_its_level_where_all_values_are_0_or_1(mean: float, count: int) -> None:
    ones = np.arange(count + 1)
    p = [BoundedMean(np.repeat([0.0, 1.0], [count - n, n]), 0, 1).p_above(mean) for n in ones]
    passing = stats.binom.pmf(ones, count, mean)[np.array(p) <= 0.05].sum()
    assert passing <= 0.05


def test_the_exact_test_needs_as_many_seeds_as_it_says() -> None:
    count = BoundedMean(np.ones(6), 0, 1).enough([0.9], 0.05)
    assert count == 33
    assert BoundedMean(np.ones(33), 0, 1).p_above(0.9) <= 0.05 < BoundedMean(np.ones(32), 0, 1).p_above(0.9)


def test_the_exact_test_of_the_same_values_finds_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = VALUES.tolist()
    found = bounded(0, 10)(values)
    asked = found.interval(0.9), BoundedMean.enough(found, [1.0, 9.0], 0.05)  # type: ignore[arg-type]
    monkeypatch.setattr("sweeper.analysis.mean_tests.log_bets", None)
    again = bounded(0, 10)(values)
    assert asked == (again.interval(0.9), BoundedMean.enough(again, [1.0, 9.0], 0.05))  # type: ignore[arg-type]


def test_the_ends_of_the_range_need_no_test() -> None:
    one = BoundedMean(np.array([0.4, 0.6]), 0, 1)
    assert (one.p_below(1.0), one.p_above(0.0), one.p_above(1.0)) == (0.0, 0.0, 1.0)


def test_a_partial_conjunction_pays_for_the_choice() -> None:
    assert partial_conjunction([0.0, 0.04, 0.3, 0.9], 2) == pytest.approx(0.12)
    assert partial_conjunction([0.0, 0.04, 0.3, 0.9], 4) == 0.9
    assert (partial_conjunction([0.5], 0), partial_conjunction([0.5], 2)) == (0.0, 1.0)


def test_a_seed_that_a_configuration_lacks_is_taken_for_its_mean() -> None:
    assert means_by_seed([{0: 1.0, 1: 3.0}, {0: 11.0, 1: 13.0}]) == [6.0, 8.0]
    assert means_by_seed([{0: 1.0, 1: 3.0}, {1: 12.0}]) == pytest.approx([6.25, 7.75], abs=0.5)
