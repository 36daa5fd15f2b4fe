from __future__ import annotations

import numpy as np
import pytest

from sweeper.analysis.importance import Method, grid_shares, importances, is_complete_grid
from sweeper.trial import Value


@pytest.mark.parametrize("maximize", [None, True, False])
def test_the_parameter_that_decides_comes_first(maximize: bool | None) -> None:
    numbers = np.random.default_rng(0)
    drawn = [(float(numbers.uniform()), float(numbers.uniform()), "xy"[i % 2]) for i in range(60)]
    points: list[dict[str, Value]]
    points, values = [{"a": a, "b": b, "c": c} for a, b, c in drawn], [10 * a + (c == "x") for a, _, c in drawn]
    found = importances(points, values, {}, maximize)
    rows = found.rows
    assert found.method is (Method.FANOVA if maximize is None else Method.PED_ANOVA)
    assert rows[0].parameter == "a"
    assert rows[0].mean > (0.8 if maximize is None else 0.5)
    assert rows[0].low <= rows[0].mean <= rows[0].high
    assert sum(row.mean for row in rows) <= 1 + 1e-9


def test_interplay_belongs_to_no_parameter_alone() -> None:
    points = [{"a": a, "b": b} for a in range(4) for b in range(4)]
    found = importances(points, [float((p["a"] + p["b"]) % 2) for p in points], {})
    assert found.method is Method.ANOVA
    assert sum(row.mean for row in found.rows) == pytest.approx(0)


def test_shares_of_a_complete_grid_are_exact() -> None:
    # By hand: effects 3.5 and 2.5 and an interplay of 1, halved and squared, of the sum of that.
    points = [{"a": a, "b": b, "c": c} for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    values = [3.0 * p["a"] + 2 * p["b"] + p["a"] * p["b"] for p in points]
    rows = {row.parameter: row.mean for row in grid_shares(points, values)}
    total = 3.5**2 / 4 + 2.5**2 / 4 + 1 / 16
    assert rows == pytest.approx({"a": 3.5**2 / 4 / total, "b": 2.5**2 / 4 / total, "c": 0})
    assert not is_complete_grid(points[1:])


def test_mixed_values_are_categories() -> None:
    values: list[Value] = [None, "x", 1, 2.5, True, [1, 2]]
    assert importances([{"a": value} for value in values], [1.0, 2, 3, 4, 5, 6], {}).rows[0].parameter == "a"


@pytest.mark.parametrize("maximize", [None, True])
def test_a_sample_of_many_configurations_says_what_all_of_them_would(maximize: bool | None) -> None:
    numbers = np.random.default_rng(0)
    points: list[dict[str, Value]] = [{"a": float(a), "b": float(b)} for a, b in numbers.uniform(size=(1500, 2))]
    values = [3 * float(p["a"]) + float(p["b"]) for p in points]  # type: ignore[arg-type]
    found = importances(points, values, {}, maximize)
    assert found.count < len(points)
    a, b = found.rows
    assert (a.parameter, b.parameter) == ("a", "b")
    if maximize is None:
        assert a.mean == pytest.approx(0.9, abs=0.05)  # the variances are 9 to 1
        assert a.low < a.mean < a.high  # each forest has a sample of its own
