from __future__ import annotations

from itertools import islice

from sweeper.spec.space.sampling import shifted_points


def test_points_lie_inside_the_cube_and_fill_every_cell_of_a_power_of_two() -> None:
    points = list(islice(shifted_points(["a", "b"], seed=1), 64))
    assert all(0 < u < 1 for point in points for u in point)
    assert {(int(u * 8), int(v * 8)) for u, v in points} == {(i, j) for i in range(8) for j in range(8)}


def test_a_coordinate_depends_on_its_name_its_position_and_the_seed() -> None:
    (first,) = next(shifted_points(["a"], seed=1))
    assert next(shifted_points(["a", "b"], seed=1))[0] == first
    assert next(shifted_points(["b"], seed=1))[0] != first
    assert next(shifted_points(["a"], seed=2))[0] != first


def test_no_names_make_one_empty_point() -> None:
    assert list(shifted_points([], seed=1)) == [()]
