from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from sweeper.analysis.claims.spending import conditional_power, levels, passing_rate, spent


def test_the_bounds_are_those_published_for_o_brien_fleming_spending() -> None:
    bounds = [
        -ndtri(level)
        for level in levels(
            (
                0.2,
                0.4,
                0.6,
                0.8,
                1.0,
            ),
            0.025,
        )
    ]
    np.testing.assert_allclose(bounds, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], atol=2e-4)


def test_one_look_at_the_end_has_all_of_alpha() -> None:
    assert levels((1.0,), 0.05) == pytest.approx([0.05], abs=1e-6)
    assert spent(1.0, 0.05) == pytest.approx(0.05)


def test_a_look_too_early_passes_nothing_and_costs_nothing() -> None:
    early = levels(
        (
            0.01,
            1.0,
        ),
        0.05,
    )
    assert early[0] < 1e-14
    assert early[1] == pytest.approx(0.05, abs=1e-6)


def test_conditional_power_before_anything_is_seen_is_power() -> None:
    assert conditional_power(0.0, 1e-12, 2.0, 0.05) == pytest.approx(float(ndtr(2.0 + ndtri(0.05))), abs=1e-5)
    assert conditional_power(-1.0, 0.8, 0.5, 0.05) < 0.1


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_the_looks_together_pass_a_null_claim_with_alpha(spending: str) -> None:
    sizes = (6, 11, 16, 20, 25, 30)
    found = levels(tuple(size / 30 for size in sizes), 0.05, spending)
    assert passing_rate(tuple(zip(sizes, found, strict=True))) == pytest.approx(0.05, abs=1e-5)


def test_two_looks_at_the_whole_level_pass_what_armitage_found() -> None:
    assert passing_rate(((1, 0.025), (2, 0.025))) == pytest.approx(0.083 / 2, abs=5e-4)  # two-sided 5 %: 8.3 %


def test_conditional_power_of_a_sooner_look_is_that_of_a_shorter_trial() -> None:
    later = conditional_power(1.0, 0.2, 2.0, 0.01, until=0.5)
    assert later == pytest.approx(conditional_power(1.0, 0.4, 2.0 * 0.5**0.5, 0.01))
