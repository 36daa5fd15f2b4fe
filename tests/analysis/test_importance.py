from __future__ import annotations

import numpy as np

from sweeper.analysis.importance import importances
from sweeper.trial import Value


def test_the_parameter_that_decides_comes_first() -> None:
    numbers = np.random.default_rng(0)
    drawn = [(float(numbers.uniform()), float(numbers.uniform()), "xy"[i % 2]) for i in range(60)]
    rows = importances([{"a": a, "b": b, "c": c} for a, b, c in drawn], [10 * a + (c == "x") for a, _, c in drawn], {})
    assert rows[0].parameter == "a"
    assert rows[0].mean > 0.8
    assert rows[0].low <= rows[0].mean <= rows[0].high
    assert sum(row.mean for row in rows) <= 1 + 1e-9


def test_interplay_belongs_to_no_parameter_alone() -> None:
    points = [{"a": a, "b": b} for a in range(4) for b in range(4)]
    rows = importances(points, [float((p["a"] + p["b"]) % 2) for p in points], {})
    assert sum(row.mean for row in rows) < 0.5


def test_mixed_values_are_categories() -> None:
    values: list[Value] = [None, "x", 1, 2.5, True, [1, 2]]
    assert importances([{"a": value} for value in values], [1.0, 2, 3, 4, 5, 6], {})[0].parameter == "a"
