from __future__ import annotations

import math
from collections import Counter
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.spec.space.domains import Beta, Choice, Normal, Range, tidy

UNIFORM = st.floats(2**-54, 1 - 2**-53)


@given(UNIFORM)
def test_a_choice_is_one_of_its_values(u: float) -> None:
    assert Choice((1, "x", None)).at(u) in (1, "x", None)
    assert Choice((1, 2), (1.0, 0.0)).at(u) == 1


def test_probabilities_split_the_unit_interval() -> None:
    choice = Choice(("rare", "common"), (0.2, 0.8))
    assert [choice.at(u) for u in (0.19, 0.21, 0.999)] == ["rare", "common", "common"]


@given(UNIFORM, st.integers(-50, 50), st.integers(0, 100), st.booleans(), st.sampled_from([None, 1, 3]))
def test_a_range_keeps_its_bounds(u: float, low: int, width: int, integer: bool, step: float | None) -> None:
    value = Range(low, low + width, integer, step=step if width >= (step or 0) else None).at(u)
    assert isinstance(value, int | float)
    assert low <= value <= low + width
    assert not integer or isinstance(value, int)


@given(UNIFORM, st.integers(1, 50), st.integers(0, 1000), st.booleans())
def test_a_logarithmic_range_keeps_its_bounds(u: float, low: int, width: int, integer: bool) -> None:
    value = Range(low, low + width, integer, log=True).at(u)
    assert isinstance(value, int | float)
    assert low <= value <= low + width


@given(UNIFORM, st.floats(0.1, 1), st.floats(1e-13, 1))
def test_twelve_digits_never_leave_the_bounds(u: float, low: float, width: float) -> None:
    for domain in (Range(low, low + width), Range(low, low + width, log=True), Range(low, low + width, step=width / 3)):
        for value in (domain.at(u), *(domain.grid() or ())):
            assert isinstance(value, int | float)
            assert low <= value <= low + width


def test_the_widest_range_is_drawn_from() -> None:
    assert Range(-8e307, 8e307).at(0.5) == 0
    assert Range(0, 1e300, step=1e-300).count() == 10**18 + 1


def test_both_bounds_of_whole_numbers_are_as_likely_as_the_rest() -> None:
    drawn = [Range(1, 4, integer=True).at((k + 0.5) / 1000) for k in range(1000)]
    assert [drawn.count(value) for value in (1, 2, 3, 4)] == [250, 250, 250, 250]


def test_points_of_a_range_are_evenly_spaced_on_its_scale() -> None:
    assert Range(0.01, 10, log=True, points=4).grid() == (0.01, 0.1, 1, 10)
    assert Range(0, 1, points=5).grid() == (0, 0.25, 0.5, 0.75, 1)
    assert Range(1, 100, integer=True, log=True, points=3).grid() == (1, 10, 100)
    assert Range(2.0, 3.0, points=1).grid() == (2,)
    assert Range(1, 3, integer=True, points=9).grid() == (1, 2, 3)


def test_steps_and_whole_numbers_are_finite_lists() -> None:
    assert Range(0, 1, step=0.1).grid() == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert Range(1, 10, integer=True, step=4).grid() == (1, 5, 9)
    assert Range(3, 5, integer=True).grid() == (3, 4, 5)
    assert Range(0.3, 0.3).grid() == (0.3,)


@pytest.mark.parametrize(
    "domain", [Range(0, 1), Range(1, 9, log=True), Range(1, 9, True, log=True), Normal(0, 1), Beta(1, 2)]
)
def test_what_is_not_finite_has_no_list(domain: Range | Normal | Beta) -> None:
    assert domain.grid() is None
    assert domain.count() is None


def test_the_length_of_a_list_is_known_without_making_it() -> None:
    huge = Range(0, 10**9, integer=True)
    assert huge.count() == 10**9 + 1
    assert huge.grid() is None
    for domain in (Range(0, 1, step=0.1), Range(1, 3, True, points=9), Choice((1, 2))):
        assert domain.count() == len(domain.grid() or ())


@given(UNIFORM)
def test_a_normal_draw_is_the_quantile(u: float) -> None:
    assert Normal(2, 3).at(u) == pytest.approx(NormalDist(2, 3).inv_cdf(u), rel=1e-9, abs=1e-9)
    assert Normal(0, 1, log=True).at(u) == pytest.approx(math.exp(NormalDist().inv_cdf(u)), rel=1e-9)


def test_a_beta_draw_is_the_quantile() -> None:
    assert Beta(1, 1).at(0.3) == pytest.approx(0.3)
    assert Beta(2, 1).at(0.25) == pytest.approx(0.5)
    assert Beta(2, 2, q=0.25).at(0.4) == 0.5


def test_drawn_numbers_have_twelve_digits_and_whole_ones_are_int() -> None:
    assert tidy(0.1 + 0.2) == 0.3
    assert tidy(2.0) == 2
    assert isinstance(tidy(2.0), int)
    assert Normal(0, 1, q=0.5).at(0.9) == 1.5


def test_the_end_values_of_q_uniform_are_half_as_likely_as_in_wandb() -> None:
    """W&B rounds a uniform draw to a multiple of q: half a multiple at each end rounds to the end value."""
    domain = Range(0, 1, step=0.25, rounded=(0, 1))
    drawn = Counter(domain.at((k + 0.5) / 800) for k in range(800))
    assert drawn == {0: 100, 0.25: 200, 0.5: 200, 0.75: 200, 1: 100}
    assert Counter(Range(0, 1, step=0.25).at((k + 0.5) / 800) for k in range(800))[0] == 160


def test_a_rounded_draw_stays_within_its_bounds() -> None:
    """0.3 rounds to 0.25 in W&B, below its min."""
    assert Range(0.5, 1, step=0.25, rounded=(0.3, 1)).at(0.001) == 0.5
    log = Range(32, 256, integer=True, log=True, step=8, rounded=(32, 256))
    assert [log.at(u) for u in (0.001, 0.5, 0.999)] == [32, 88, 256]
