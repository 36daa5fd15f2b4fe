from __future__ import annotations

import math

import pytest

from sweeper.analysis.rounding import plus_minus, with_interval


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (0.98437, 0.0123, "0.984 ± 0.012"),
        (0.98437, 0.0456, "0.98 ± 0.05"),
        (0.98437, 0.0999, "0.98 ± 0.10"),
        (1.0, 0.0, "1 ± 0"),
        (0.98437, math.nan, "0.9844"),
        (-0.001, 0.03, "0.00 ± 0.03"),
        (1234.5, 210.0, "1234 ± 210"),
        (12345678.0, 210000.0, "(1.235 ± 0.021)e7"),
        (3.21e-9, 1.5e-10, "(3.21 ± 0.15)e-9"),
        (0.0, 2e-7, "(0.0 ± 2.0)e-7"),
    ],
)
def test_the_uncertainty_sets_the_digits(mean: float, spread: float, text: str) -> None:
    assert plus_minus(mean, spread) == text


def test_an_interval_sets_them_by_half_its_width() -> None:
    assert with_interval(0.98437, 0.972, 0.9966) == "0.984 [0.972, 0.997]"
    assert with_interval(0.5, math.nan, math.nan) == "0.5"
    assert with_interval(1.0, 1.0, 1.0) == "1 [1, 1]"
