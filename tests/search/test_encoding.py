"""A coordinate turns numbers into values of its axis, and back."""

from __future__ import annotations

import pytest

from sweeper.search.encoding import Coordinate, Scale, coordinate_of
from sweeper.spec.space.domains import Beta, Choice, Domain, Normal, Range
from sweeper.spec.space.space import Axis, Parameter
from sweeper.trial import Value


def made(*domains: Domain) -> Coordinate:
    return coordinate_of(Axis(tuple(Parameter(name, domain) for name, domain in zip("abc", domains, strict=False))))


@pytest.mark.parametrize(
    ("domain", "scale", "value"),
    [
        (Range(0, 1), Scale.VALUE, 0.25),
        (Range(1e-4, 1, log=True), Scale.VALUE, 0.01),
        (Range(1, 64, integer=True, log=True), Scale.VALUE, 8),
        (Range(0, 0.95, step=0.1), Scale.STEP, 0.3),
        (Range(2, 20, integer=True, step=4), Scale.STEP, 18),
        (Range(0.1, 10, log=True, step=0.1), Scale.UNIFORM, 0.7),
        (Normal(0, 1, q=0.5), Scale.UNIFORM, -1.5),
        (Beta(2, 2, q=0.25), Scale.UNIFORM, 0.75),
        (Choice((1, True, None, [1, 2], "a")), Scale.ROW, True),
    ],
)
def test_a_value_is_found_again_by_its_number(domain: Domain, scale: Scale, value: Value) -> None:
    coordinate = made(domain)
    number = coordinate.number({"a": value})
    assert coordinate.scale is scale
    assert number is not None
    assert coordinate.low <= number <= coordinate.high
    assert repr(coordinate.values(number)) == repr((value,))


@pytest.mark.parametrize("value", [1.5, -1, 0.25, "a", None, True])
def test_a_value_that_is_not_of_the_range_has_no_number(value: Value) -> None:
    assert made(Range(0, 1, step=0.1)).number({"a": value}) is None


def test_parameters_that_move_together_share_the_number_of_their_row() -> None:
    pair = made(Choice((1, 2, 2)), Choice(("x", "y", "z")))
    assert pair.number({"a": 2, "b": "z"}) == 2
    assert pair.number({"b": "z"}) == 2
    assert pair.number({"a": 1, "b": "z"}) is None
    assert pair.values(1) == (2, "y")


def test_the_middle_lies_on_the_scale() -> None:
    assert made(Range(1, 100, log=True)).middle == pytest.approx(10)
    assert made(Range(0, 1)).middle == 0.5
    assert made(Range(0, 0.3, step=0.1)).middle == 2
