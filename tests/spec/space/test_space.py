from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import SpecError
from sweeper.spec.space.domains import Beta, Choice, Domain, Normal, Range
from sweeper.spec.space.expressions import condition
from sweeper.spec.space.sampling import uniform
from sweeper.spec.space.space import Parameter, Removed, Space


def parameter(name: str, domain: Domain | list[object], when: str = "") -> Parameter:
    values = Choice(tuple(domain)) if isinstance(domain, list) else domain  # type: ignore[arg-type]
    return Parameter(name, values, condition(when) if when else None)


def space(*parameters: Parameter, where: tuple[str, ...] = (), **rest: object) -> Space:
    return Space(parameters, where=tuple(condition(text) for text in where), **rest)  # type: ignore[arg-type]


def test_a_grid_is_the_product_with_the_first_parameter_slowest() -> None:
    points = list(space(parameter("a", [1, 2]), parameter("b", ["x", "y"])).grid())
    assert points == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_space_without_parameters_has_one_empty_point() -> None:
    assert list(Space().grid()) == [{}]
    assert Space().size() == 1
    assert list(Space().random(3, seed=0)) == [{}]
    assert list(Space().qmc(3, seed=0)) == [{}]


def test_an_inactive_parameter_is_left_out_and_makes_no_double() -> None:
    conditional = space(parameter("a", [0, 1]), parameter("b", [1, 2], "a > 0"))
    assert list(conditional.grid()) == [{"a": 0}, {"a": 1, "b": 1}, {"a": 1, "b": 2}]
    assert conditional.size() == 3


def test_a_condition_may_read_a_parameter_that_comes_later() -> None:
    conditional = space(parameter("b", [1, 2], "a > 0"), parameter("a", [0, 1]))
    assert {tuple(point) for point in conditional.grid()} == {("a",), ("b", "a")}
    assert conditional.size() == 3


def test_conditions_chain_and_an_inactive_one_switches_off_what_reads_it() -> None:
    chain = space(parameter("a", [0, 1]), parameter("b", [0, 1], "a == 1"), parameter("c", [5, 6], "b == 1"))
    assert list(chain.grid()) == [{"a": 0}, {"a": 1, "b": 0}, {"a": 1, "b": 1, "c": 5}, {"a": 1, "b": 1, "c": 6}]


def test_a_condition_reads_the_fixed_value_of_an_inactive_parameter() -> None:
    chain = space(parameter("a", [0, 1]), parameter("b", [0], "a == 1"), parameter("c", [5], "b == 9"), fixed={"b": 9})
    assert list(chain.grid()) == [{"a": 0, "c": 5}, {"a": 1, "b": 0}]


def test_conditions_in_a_circle_are_refused() -> None:
    with pytest.raises(SpecError, match="circular"):
        space(parameter("a", [1], "b > 0"), parameter("b", [1], "a > 0"))
    with pytest.raises(SpecError, match="circular"):
        space(parameter("a", [1], "a > 0"))


def test_parameters_that_move_together_make_rows() -> None:
    zipped = space(parameter("a", [1, 2]), parameter("c", [7, 8]), parameter("b", ["x", "y"]), zips=(("a", "b"),))
    assert [tuple(point.values()) for point in zipped.grid()] == [(1, 7, "x"), (1, 8, "x"), (2, 7, "y"), (2, 8, "y")]
    assert zipped.size() == 4
    assert {(p["a"], p["b"]) for p in zipped.random(20, 0)} == {(1, "x"), (2, "y")}


def test_a_zip_with_an_inactive_member_makes_no_double() -> None:
    zipped = space(
        parameter("a", [0, 1]), parameter("b", [1, 1, 2]), parameter("c", [1, 2, 3], "a > 0"), zips=(("b", "c"),)
    )
    points = list(zipped.grid())
    assert len(points) == len({str(point) for point in points}) == 5 == zipped.size()


def test_where_counts_what_each_clause_removed_in_order() -> None:
    removed: Removed = {}
    clauses = ("a <= 2", "a + b <= 3", "a < 100")
    kept = list(space(parameter("a", [1, 2, 3]), parameter("b", [1, 2]), where=clauses).grid(removed))
    assert kept == [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}]
    assert removed == {"a <= 2": 2, "a + b <= 3": 1, "a < 100": 0}


def test_a_clause_that_has_no_value_names_the_configuration() -> None:
    with pytest.raises(SpecError, match=r"where\[0\][\s\S]*division by zero[\s\S]*b=0"):
        list(space(parameter("a", [1]), parameter("b", [0]), where=("a / b > 1",)).grid())


def test_a_clause_about_a_value_nobody_knows_does_not_apply() -> None:
    assert len(list(space(parameter("a", [0, 1]), parameter("b", [5], "a > 0"), where=("b < 3",)).grid())) == 1
    assert list(space(parameter("a", [1]), where=("c < 3",), fixed={"c": 4}).grid()) == []


def test_a_range_without_points_is_no_grid() -> None:
    with pytest.raises(SpecError, match="points"):
        list(space(parameter("a", Range(0, 1))).grid())
    assert space(parameter("a", Range(0, 1))).size() is None


def test_listed_configurations_lose_their_doubles() -> None:
    configs = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": True, "b": 2}]
    assert list(Space().listed(configs)) == [{"a": 1, "b": 2}, {"a": True, "b": 2}]


WIDE = (
    parameter("lr", Range(1e-4, 1e-1, log=True)),
    parameter("n", Range(1, 64, integer=True, log=True)),
    parameter("kind", ["a", "b", "c"]),
    parameter("noise", Normal(0, 1)),
    parameter("share", Beta(2, 2), "kind == 'a'"),
)


def test_the_same_seed_draws_the_same_points_for_ever() -> None:
    """Frozen: if this changes, everybody's random sweeps train again from the start."""
    assert [Space(WIDE).sample(index, seed=7) for index in range(3)] == FROZEN_RANDOM
    assert list(Space(WIDE).qmc(3, seed=7)) == FROZEN_QMC


def test_another_parameter_or_more_points_change_nothing_drawn_before() -> None:
    few, more = list(Space(WIDE[:3]).random(5, 0)), list(Space(WIDE).random(50, 0))
    assert [{name: point[name] for name in ("lr", "n", "kind")} for point in more[:5]] == few
    few, more = list(Space(WIDE[:3]).qmc(5, 0)), list(Space(WIDE).qmc(50, 0))
    assert [{name: point[name] for name in ("lr", "n", "kind")} for point in more[:5]] == few


def test_other_seeds_draw_other_points() -> None:
    assert Space(WIDE).sample(0, 0) != Space(WIDE).sample(0, 1)
    assert list(Space(WIDE).qmc(1, 0)) != list(Space(WIDE).qmc(1, 1))


def test_random_goes_on_until_enough_points_satisfy_where() -> None:
    removed: Removed = {}
    half = space(parameter("x", Range(0.0, 1.0)), where=("x < 0.5",))
    points = list(half.random(100, 0, removed))
    assert len(points) == 100
    assert 60 < removed["x < 0.5"] < 150


@pytest.mark.timeout(30)
def test_random_in_a_finite_space_ends_when_it_has_seen_all() -> None:
    points = list(space(parameter("a", [1, 2]), parameter("b", [3, 4])).random(1000, 0))
    assert len(points) == 4
    assert list(space(parameter("x", Range(0.0, 1.0)), where=("x > 2",)).random(10, 0)) == []


def test_sobol_points_cover_better_than_chance() -> None:
    points = [point["x"] for point in space(parameter("x", Range(0.0, 1.0))).qmc(64, 3)]
    assert sorted(int(float(str(x)) * 64) for x in points) == list(range(64))


def test_a_uniform_number_depends_on_all_its_arguments_and_fills_the_interval() -> None:
    numbers = [uniform(seed, name, index) for seed in range(5) for name in "abcde" for index in range(40)]
    assert len(set(numbers)) == 1000
    assert 0 < min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert abs(sum(numbers) / 1000 - 0.5) < 0.03


def test_a_hundred_thousand_points_with_a_where_take_little_memory() -> None:
    wide = space(*(parameter(f"loss.p{k}", list(range(10))) for k in range(5)), where=("loss.p0 + loss.p1 <= 17",))
    assert sum(1 for _ in wide.grid()) == 99_000
    tracemalloc.start()
    assert sum(1 for _ in itertools.islice(wide.grid(), 20_000)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_size_of_a_huge_grid_is_known_at_once() -> None:
    huge = space(*(parameter(f"p{k}", Range(0, 999, integer=True)) for k in range(9)), parameter("q", [1], "p0 > 5"))
    assert huge.size() == 10**27


NAMES = st.sampled_from(["a", "b", "c", "d"])
CONDITIONS = st.builds("{} {} {}".format, NAMES, st.sampled_from(["<", ">=", "=="]), st.integers(0, 2))


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(NAMES, st.tuples(st.integers(1, 3), st.none() | CONDITIONS), min_size=1),
    st.lists(CONDITIONS, max_size=2),
    st.booleans(),
)
def test_every_grid_has_distinct_points_that_its_own_rules_allow(
    chosen: dict[str, tuple[int, str | None]], where: list[str], zipped: bool
) -> None:
    parameters = [parameter(name, list(range(count)), when or "") for name, (count, when) in chosen.items()]
    names = [p.name for p in parameters if p.domain.count() == 2][:2]
    try:
        made = space(*parameters, where=tuple(where), zips=((*names,),) if zipped and len(names) == 2 else ())
    except SpecError:
        return
    removed: Removed = {}
    points = list(made.grid(removed))
    assert len(points) == len({str(point) for point in points})
    assert all(made.active(point) == point and made.allows(point) for point in points)
    assert made.size() == len(points) + sum(removed.values())


FROZEN_RANDOM: list[dict[str, object]] = [
    {"lr": 0.0197311003727, "n": 2, "kind": "c", "noise": 1.76858155233},
    {"lr": 0.00134696623722, "n": 7, "kind": "b", "noise": -0.834033869361},
    {"lr": 0.00213055840027, "n": 2, "kind": "b", "noise": 2.19471786815},
]
FROZEN_QMC: list[dict[str, object]] = [
    {"lr": 0.00448072728848, "n": 18, "kind": "a", "noise": -1.28890967455, "share": 0.7029075365},
    {"lr": 0.000141693038057, "n": 2, "kind": "c", "noise": 0.25002177443},
    {"lr": 0.000796798507911, "n": 62, "kind": "b", "noise": -0.388792715014},
]
