from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.search.ranking import best, places, ranked
from sweeper.spec.sweep import Sweep
from sweeper.trial import Record, State
from tests.records import make_end, make_trial
from tests.spec.sweep_texts import loaded

ONE = "metric: {name: loss, goal: minimize}\n"
TWO = "metric: [{name: loss, goal: minimize}, {name: gain, goal: maximize}]\n"
KEPT = 'constraints: ["accuracy >= 0.9", "kl < 2"]\n'


def sweep(folder: Path, text: str) -> Sweep:
    return loaded(folder, f"name: s\n{text}parameters: {{x: {{values: [1, 2]}}}}\n")


def record(x: int, state: State = State.COMPLETED, seed: int = 0, **metrics: float) -> Record:
    trial = make_trial(seed, x=x)
    return Record(trial, ended=make_end(trial, state, **metrics))


def order(made: Sweep, *records: Record) -> list[Any]:
    names = {record.trial.config: record.trial.varied["x"] for record in records}
    return [names[standing.config] for standing in ranked(made, records)]


@pytest.mark.parametrize(("goal", "expected"), [("minimize", [2, 1, 3]), ("maximize", [3, 1, 2])])
def test_configurations_stand_by_the_mean_of_their_seeds(tmp_path: Path, goal: str, expected: list[int]) -> None:
    made = sweep(tmp_path, ONE.replace("minimize", goal))
    seeds = [record(1, loss=1), record(2, loss=2), record(3, loss=3), record(1, seed=1, loss=4)]
    assert order(made, *seeds) == expected


def test_those_that_keep_the_constraints_come_first_and_the_others_by_how_far_they_miss(tmp_path: Path) -> None:
    records = [
        record(1, loss=1, accuracy=0.5, kl=1),
        record(2, loss=2, accuracy=0.8, kl=1),
        record(3, loss=3, accuracy=0.9, kl=1),
        record(4, loss=4),
        record(5, loss=5, accuracy=0.95, kl=1.9),
    ]
    made = sweep(tmp_path, ONE + KEPT)
    assert order(made, *records) == [3, 5, 2, 1, 4]
    assert [standing.values for standing in best(made, records)] == [(3,)]
    assert best(made, records[:2]) == []


def test_the_seeds_mean_keeps_a_constraint_that_one_seed_breaks(tmp_path: Path) -> None:
    seeds = [record(1, loss=1, accuracy=0.85, kl=0), record(1, seed=1, loss=1, accuracy=0.99, kl=0)]
    assert best(sweep(tmp_path, ONE + KEPT), seeds)[0].is_feasible


def test_what_was_pruned_or_never_ended_comes_last(tmp_path: Path) -> None:
    pending = Record(make_trial(x=1))
    pruned, done = record(2, State.PRUNED, loss=0), record(3, loss=9)
    assert order(sweep(tmp_path, ONE), pending, pruned, done) == [3, 2, 1]


@pytest.mark.parametrize("impute", ["worst", "ignore", "fail"])
def test_a_value_is_the_mean_of_completed_seeds_whatever_a_searcher_imputes(tmp_path: Path, impute: str) -> None:
    made = sweep(tmp_path, ONE.replace("minimize}", f"minimize, impute: {impute}}}"))
    records = [record(1, loss=1), record(1, State.DIVERGED, seed=1), record(2, loss=3), record(3, loss=9)]
    records.append(record(2, State.PRUNED, seed=1, loss=-9))
    assert order(made, *records) == [1, 2, 3]
    assert [standing.values for standing in ranked(made, records)] == [(1,), (3,), (9,)]


def test_several_goals_stand_front_by_front(tmp_path: Path) -> None:
    points = {1: (1, 1), 2: (2, 2), 3: (2, 1), 4: (3, 1), 5: (0, 0), 6: (4, 2)}
    records = [record(x, loss=loss, gain=gain) for x, (loss, gain) in points.items()]
    made = sweep(tmp_path, TWO)
    assert order(made, *records) == [5, 1, 2, 3, 6, 4]
    assert [standing.front for standing in ranked(made, records)] == [0, 0, 0, 1, 1, 2]
    assert len(best(made, records)) == 3


def test_without_a_goal_the_order_stays_and_constraints_still_count(tmp_path: Path) -> None:
    records = [record(1, loss=3, accuracy=0), record(2, loss=1, accuracy=1), record(3, loss=2, accuracy=1)]
    assert order(sweep(tmp_path, 'constraints: ["accuracy > 0.5"]\n'), *records) == [2, 3, 1]


def test_places_count_from_one_and_are_equal_for_what_nothing_tells_apart(tmp_path: Path) -> None:
    records = [record(x, loss=loss) for x, loss in ((1, 2), (2, 1), (3, 2), (4, 3))] + [record(5, State.FAILED)]
    found = places(sweep(tmp_path, ONE.replace("minimize}", "minimize, impute: fail}")), records)
    assert [found.get(record.trial.config) for record in records] == [2, 1, 2, 4, None]
    assert places(None, records) == {}
