from __future__ import annotations

import math

import pytest

from sweeper.reporting.report.tables import _estimate, _number, _value


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (0.18527, 0.01712, "0.185 ± 0.017"),
        (1.78733, 0.000459, "1.7873 ± 0.0005"),
        (123.4, 45.6, "123 ± 46"),
        (0.5, 0.0, "0.5 ± 0"),
        (0.5, math.nan, "0.5"),
        (math.nan, math.nan, ""),
    ],
)
def test_a_mean_has_the_digits_that_its_spread_allows(mean: float, std: float, text: str) -> None:
    assert _estimate(mean, std, mean - std, mean + std).text == text


def test_a_cell_sorts_as_the_number_it_shows_and_text_as_text() -> None:
    assert (_value(0.5).sort, _value("0.5").sort, _value(True).sort) == ("0.5", "", "")
    assert _number(math.inf).sort == ""
