from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweeper.reporting.figures.pareto import hypervolume, on_front, pareto_data
from tests.reporting.figures.sweeps import grid


def test_the_front_by_hand() -> None:
    assert on_front([(1, 3), (2, 2), (3, 1), (1, 1), (2, 1)]) == [True, True, True, False, False]


def test_equal_points_stand_together_and_a_tie_in_one_is_beaten() -> None:
    assert on_front([(1, 2), (1, 2), (1, 1), (0, 2)]) == [True, True, False, False]


def test_the_front_is_what_the_definition_says() -> None:
    points = [(float(x), float(y)) for x, y in np.random.default_rng(0).integers(0, 8, (60, 2))]
    beaten = [any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points) for p in points]
    assert on_front(points) == [not lost for lost in beaten]


def test_the_hypervolume_by_hand() -> None:
    assert hypervolume([(1, 3), (2, 2), (3, 1)], (0, 0)) == pytest.approx(6)
    assert hypervolume([(2, 2)], (2, 2)) == 0


def test_directions_are_those_of_the_sweep(tmp_path: Path) -> None:
    context = grid(tmp_path)
    found = pareto_data(context)
    assert found.maximize == (True, False)
    assert found.assumed == ()
    labels = {context.config_label(str(config)) for config in found.front.index}
    assert labels == {"beta=0  kind=b", "beta=0.5  kind=b", "beta=1  kind=b"}
    assert found.worst == pytest.approx((0.01, 2.01))
