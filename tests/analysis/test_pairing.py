from __future__ import annotations

import pytest

from sweeper.analysis.pairing import Pairing, blocks, pairings
from sweeper.trial import Record, State
from tests.records import make_end, make_trial


def record(seed: int, score: float | None, **varied: float) -> Record:
    trial = make_trial(seed, **varied)
    end = make_end(
        trial, State.COMPLETED if score is not None else State.FAILED, **({} if score is None else {"score": score})
    )
    return Record(trial, ended=end)


def test_pairs_are_found_behind_trials_without_a_partner() -> None:
    records = [record(0, 5.0, beta=9, weight=0), record(0, 1.0, beta=1, weight=0), record(0, 3.0, beta=1, weight=1)]
    found = pairings(records, "score", {"weight": 1}, {"weight": 0})
    assert [(one.first, one.second, one.lost, one.gains) for one in found] == [([3.0], [1.0], 0, [2.0])]


def test_a_seed_without_a_value_on_one_side_is_lost_on_both() -> None:
    records = [record(0, 2.0, weight=0), record(0, None, weight=1), record(1, 2.0, weight=0), record(1, 4.0, weight=1)]
    (found,) = pairings(records, "score", {"weight": 1}, {"weight": 0})
    assert (found.first, found.second, found.lost) == ([4.0], [2.0], 1)


def test_a_block_has_its_seed() -> None:
    found = blocks([record(seed, 1.0, weight=weight) for seed in (3, 4) for weight in (0, 1)], ["weight"])
    assert [(one.seed, len(one.records)) for one in found] == [(3, 2), (4, 2)]


def test_halves_of_pairs_are_no_gains() -> None:
    with pytest.raises(ValueError, match="argument"):
        _ = Pairing("", [1.0, 2.0], [1.0]).gains


def test_a_value_of_zero_is_a_value() -> None:
    (found,) = pairings([record(0, 0.0, weight=0), record(0, 0.0, weight=1)], "score", {"weight": 1}, {"weight": 0})
    assert (found.first, found.second, found.lost) == ([0.0], [0.0], 0)
