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


def test_a_point_makes_one_trial_a_seed() -> None:
    family = TrialFactory("t", "c0de", {"a": 1, "b": 2}, [3, 5])
    first, second = family.trials({"b": 7})
    assert first.config == second.config == config_key("t", {"a": 1, "b": 7})
    assert (first.seed, first.key) == (3, trial_key(first.config, 3, "c0de"))
    assert second.params == {"a": 1, "b": 7}
