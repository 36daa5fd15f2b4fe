from __future__ import annotations

from sweeper.spec.space.domains import Choice, Range
from sweeper.spec.space.expressions import condition
from sweeper.spec.space.space import Parameter
from sweeper.spec.space.zip_groups import Zips, zipped

A, B = Parameter("a", Choice((1, 2))), Parameter("b", Choice((3, 4)))
LONG, OPEN = Parameter("long", Choice((1, 2, 3))), Parameter("open", Range(0.0, 1.0))


def messages(zips: Zips) -> list[str]:
    return [f"{problem.key}: {problem.message}" for problem in zips.problems]


def test_a_sound_group_holds() -> None:
    assert zipped([["b", "a"]], [A, B], {}) == Zips((("b", "a"),), (), ())


def test_unequal_lengths_and_open_ranges_are_refused() -> None:
    assert zipped([["a", "long"]], [A, LONG], {}).problems[0].found == "a: 2, long: 3"
    assert messages(zipped([["a", "open"]], [A, OPEN], {})) == ["zip[0]: this parameter has no finite list of values"]


def test_a_parameter_moves_once() -> None:
    assert messages(zipped([["a", "b"], ["b", "long"]], [A, B, LONG], {}))[0].startswith("zip[1]: a parameter moves")
    assert zipped([["a", "a"]], [A], {}).groups == ()


def test_an_unknown_name_among_varying_ones_is_refused_but_a_fixed_one_leaves() -> None:
    assert messages(zipped([["a", "b", "c"]], [A, B], {})) == ["zip[0]: not a parameter that varies"]
    fixed = zipped([["a", "b", "c"]], [A, B], {"c": 1})
    assert fixed.groups == (("a", "b"),)
    assert [warning.found for warning in fixed.warnings] == ['"c"']


def test_a_group_of_which_nothing_varies_is_only_reported() -> None:
    idle = zipped([["x", "y"]], [A], {})
    assert (idle.groups, idle.problems, len(idle.warnings)) == ((), (), 2)


def test_members_cannot_depend_on_each_other() -> None:
    asking = Parameter("b", Choice((3, 4)), condition("a > 1"))
    assert "cannot depend" in messages(zipped([["a", "b"]], [A, asking], {}))[0]
