from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sweeper.planning.trial_factory import TrialFactory
from sweeper.trial import config_key, trial_key

VALUES = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.text(), st.none())


@given(st.dictionaries(st.text(), VALUES), st.dictionaries(st.text(), VALUES))
def test_the_quick_key_is_the_documented_key(base: dict[str, object], varied: dict[str, object]) -> None:
    expected = config_key("t", {**base, **varied})  # type: ignore[dict-item]
    assert TrialFactory("t", "", base, [0]).config_key(varied) == expected  # type: ignore[arg-type]


@given(st.dictionaries(st.text(), VALUES), st.dictionaries(st.text(), VALUES), st.text(), VALUES)
def test_a_setting_that_was_added_later_is_in_no_key_while_it_changes_nothing(
    base: dict[str, object], varied: dict[str, object], name: str, before: object
) -> None:
    added, without = {name: before}, {k: v for k, v in {**base, **varied}.items() if k != name}
    old = config_key("t", without)  # type: ignore[arg-type]
    for settings, point in (({**base, name: before}, varied), (base, {**varied, name: before})):
        point = {k: v for k, v in point.items() if k != name or v == before}
        assert TrialFactory("t", "", settings, [0], added).config_key(point) == old  # type: ignore[arg-type]
    other = TrialFactory("t", "", without, [0], added).config_key({name: "another"})  # type: ignore[arg-type]
    assert (other == old) is (before == "another")


def test_a_trial_holds_a_setting_added_later_where_the_file_names_it_or_its_value_is_new() -> None:
    added = {"b": 2}
    assert TrialFactory("t", "", {"a": 1, "b": 2.0}, [0], added).trials({})[0].params == {"a": 1}
    assert TrialFactory("t", "", {"a": 1, "b": 2}, [0], added, ["b"]).trials({})[0].params == {"a": 1, "b": 2}
    assert TrialFactory("t", "", {"a": 1, "b": 3}, [0], added).trials({})[0].params == {"a": 1, "b": 3}
    assert TrialFactory("t", "", {"a": 1, "b": 3}, [0], added).trials({"b": 2})[0].params == {"a": 1, "b": 2}


def test_a_point_makes_one_trial_a_seed() -> None:
    family = TrialFactory("t", "c0de", {"a": 1, "b": 2}, [3, 5])
    first, second = family.trials({"b": 7})
    assert first.config == second.config == config_key("t", {"a": 1, "b": 7})
    assert (first.seed, first.key) == (3, trial_key(first.config, 3, "c0de"))
    assert second.params == {"a": 1, "b": 7}
