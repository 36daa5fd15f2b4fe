"""Each method proposes legal new points and learns from the results, whether it saw them happen or reads of them."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweeper.errors import SpecError
from sweeper.search.searcher import Search, check
from sweeper.trial import Params, State, canonical, canonical_json
from tests.search.searches import (
    BRANIN,
    MINIMIZE,
    RANGES,
    branin,
    ended,
    ended_with,
    number,
    optimized,
    search,
    searched,
)

METHODS = ("tpe", "gp", "cmaes", "nsga2")
LISTS = ("tpe", "gp", "nsga2")  # the methods that can choose from a list

ODD_RANGES = MINIMIZE + (
    "parameters:\n"
    "  x: {min: 0, max: 1.0}\n"
    "  layers: {min: 1, max: 64, log: true}\n"
    "  drop: {min: 0, max: 0.95, step: 0.1}\n"
    "  rate: {min: 0.1, max: 10.0, step: 0.1, log: true}\n"
    "  noise: {distribution: normal, mu: 0, sigma: 2}\n"
    '  decay: {min: 0, max: 1.0, when: "x > 0.5 and depth == 3"}\n'
    'where: ["x + drop <= 1.2"]\n'
)
ODD_LISTS = MINIMIZE + (
    "parameters:\n"
    "  shape: {values: [[1, 2], [3], null, true, 1, adam]}\n"
    "  low: {values: [1, 2, 3]}\n"
    "  high: {values: [4, 5, 6]}\n"
    '  beta: {min: 0, max: 1.0, when: "low > 1"}\n'
    "zip: [[low, high]]\n"
    'where: ["low + high != 7"]\n'
)
GRID = MINIMIZE + "parameters:\n  a: {values: [1, 2, 3]}\n  b: {values: [x, y]}\n"
TWO_GOALS = "metric: [{name: loss, goal: minimize}, {name: gain, goal: maximize}]\n" + RANGES.removeprefix(MINIMIZE)


def known_trials(search: Search) -> list[optuna.trial.FrozenTrial]:
    """The trials that samplers learn from."""
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return search._study.get_trials(deepcopy=False, states=states)


def odd(point: Params) -> dict[str, float]:
    return {"loss": sum(value for value in point.values() if isinstance(value, int | float))}


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_range_is_searched_within_its_conditions(tmp_path: Path, method: str) -> None:
    for point, _ in optimized(search(tmp_path, method, ODD_RANGES, depth=3), odd, 14):
        x, drop, layers, rate = (number(point, name) for name in ("x", "drop", "layers", "rate"))
        assert x + drop <= 1.2
        assert 0 <= drop <= 0.9
        assert 1 <= layers <= 64
        assert isinstance(layers, int)
        assert round(rate * 10, 9) == round(rate * 10)
        assert ("decay" in point) is (x > 0.5)
        assert all(repr(canonical(value)) == repr(value) for value in point.values())


@pytest.mark.parametrize("method", LISTS)
def test_lists_and_parameters_that_move_together_are_searched_by_row(tmp_path: Path, method: str) -> None:
    points = [point for point, _ in optimized(search(tmp_path, method, ODD_LISTS), odd, 14)]
    assert {(p["low"], p["high"]) for p in points} == {(1, 4), (3, 6)}
    assert all(("beta" in p) is (p["low"] == 3) for p in points)
    assert len({repr(p["shape"]) for p in points}) > 3


@pytest.mark.parametrize("method", LISTS)
def test_a_grid_is_walked_to_its_end_and_nothing_comes_twice(tmp_path: Path, method: str) -> None:
    grid = search(tmp_path, method, GRID)
    points = [point for point, _ in optimized(grid, lambda p: {"loss": number(p, "a")}, 20)]
    assert len({canonical_json(point) for point in points}) == len(points) == 6
    assert grid.ask() is None


def test_points_in_training_are_not_asked_again(tmp_path: Path) -> None:
    grid = search(tmp_path, "tpe", GRID)
    grid.note({"a": 1, "b": "x"})
    rest = [grid.ask() for _ in range(6)]
    assert {"a": 1, "b": "x"} not in rest
    assert rest[-1] is None
    assert None not in rest[:-1]


@pytest.mark.parametrize("method", METHODS)
def test_a_search_that_is_rebuilt_after_every_third_result_goes_on(tmp_path: Path, method: str) -> None:
    done: list[tuple[Params, dict[str, float]]] = []
    for _ in range(6):
        again = search(tmp_path, method, RANGES)
        for point, metrics in done:
            again.tell(point, [ended_with(metrics)])
        done += optimized(again, lambda p: {"loss": number(p, "x")}, 3)
    assert len({canonical_json(point) for point, _ in done}) == 18
    assert len(known_trials(again)) == 18


def test_a_rebuilt_search_has_learned_what_the_first_one_had(tmp_path: Path) -> None:
    done = optimized(search(tmp_path, "tpe", BRANIN), branin, 60)
    again = search(tmp_path, "tpe", BRANIN)
    for point, metrics in done:
        again.tell(point, [ended_with(metrics)])
    further = [metrics["loss"] for _, metrics in optimized(again, branin, 10)]
    first = [metrics["loss"] for _, metrics in done[:10]]  # drawn at random
    assert sorted(further)[5] < sorted(first)[2]


def test_nsga2_goes_on_with_the_generation_it_was_in(tmp_path: Path) -> None:
    again = search(tmp_path, "nsga2", RANGES)
    for k in range(120):
        again.tell({"x": k / 20, "y": 1}, [ended(loss=k)])
    assert sorted({t.system_attrs["NSGAIISampler:generation"] for t in known_trials(again)}) == [0, 1, 2]


def test_cmaes_goes_on_from_what_was_found(tmp_path: Path) -> None:
    again = search(tmp_path, "cmaes", RANGES)
    for k in range(20):
        again.tell({"x": 3 + k / 10, "y": 3 + k * k % 7}, [ended(loss=abs(k - 10))])
    asked = [again.ask() for _ in range(10)]
    assert sum(abs(number(point, "x") - 4) for point in asked if point) / 10 < 1.5


def test_old_results_outside_of_todays_space_are_passed_over(tmp_path: Path) -> None:
    text = ODD_LISTS + "base: {depth: 3}\n"
    again = search(tmp_path, "tpe", text)
    inside: Params = {"shape": "adam", "low": 3, "high": 6, "beta": 0.5}
    for other in ({}, {"beta": 7}, {"beta": "a"}, {"shape": "sgd"}, {"low": 2, "high": 5}, {"depth": 4}, {"gone": 1}):
        again.tell({**inside, **other}, [ended(loss=1)])
    again.tell({"shape": "adam"}, [ended(loss=1)])
    assert [trial.params for trial in known_trials(again)] == [{"shape": 5, "low": 2, "beta": 0.5}]


def test_results_from_before_a_parameter_varied_had_the_trainers_value(tmp_path: Path) -> None:
    again = search(tmp_path, "tpe", GRID, b="y")
    again.tell({"a": 1}, [ended(loss=1)])
    assert len(known_trials(again)) == 1
    assert {"a": 1, "b": "y"} not in [again.ask() for _ in range(6)]


def test_the_searcher_sees_the_mean_over_the_seeds(tmp_path: Path) -> None:
    seeds = search(tmp_path, "tpe", RANGES)
    seeds.tell({"x": 1, "y": 1}, [ended(loss=1), ended(loss=2), ended(State.PRUNED, loss=6)])
    assert known_trials(seeds)[0].values == [3]


def test_a_configuration_whose_seeds_were_all_pruned_is_pruned(tmp_path: Path) -> None:
    seeds = search(tmp_path, "tpe", RANGES)
    seeds.tell({"x": 1, "y": 1}, [ended(State.PRUNED, steps=4, loss=1), ended(State.PRUNED, steps=2, loss=2)])
    assert known_trials(seeds)[0].state == optuna.trial.TrialState.PRUNED
    assert known_trials(seeds)[0].intermediate_values == {4: 1.5}


@pytest.mark.parametrize("method", METHODS)
def test_a_search_goes_on_where_most_points_are_pruned(tmp_path: Path, method: str) -> None:
    pruning = search(tmp_path, method, RANGES + "early_terminate: {type: asha}\n")
    for count in range(24):
        point = pruning.ask()
        assert point is not None
        state = State.PRUNED if count % 3 else State.COMPLETED
        pruning.tell(point, [ended(state, steps=5, loss=number(point, "x") ** 2)])
    states = Counter(trial.state.name for trial in known_trials(pruning))
    assert states == ({"COMPLETE": 24} if method == "gp" else {"COMPLETE": 8, "PRUNED": 16})


@pytest.mark.parametrize(("impute", "means"), [("worst", [9, 5]), ("ignore", [9, 1]), ("fail", [9])])
def test_a_diverged_seed_counts_as_the_goal_says(tmp_path: Path, impute: str, means: list[float]) -> None:
    seeds = search(tmp_path, "tpe", RANGES.replace("minimize}", f"minimize, impute: {impute}}}"))
    seeds.tell({"x": 1, "y": 1}, [ended(loss=9)])
    seeds.tell({"x": 2, "y": 1}, [ended(loss=1), ended(State.DIVERGED, loss=0)])
    assert [trial.value for trial in known_trials(seeds)] == means


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_running_by_results_without_a_number(tmp_path: Path, method: str) -> None:
    seeds = search(tmp_path, method, RANGES)
    text: Any = "1"  # no trainer may report it, a ledger's line can hold it
    for end in (ended(loss=float("nan")), ended(loss=float("inf")), ended(), ended(State.FAILED), ended(loss=text)):
        point = seeds.ask()
        assert point is not None
        seeds.tell(point, [end])
    states = {trial.state for trial in seeds._study.get_trials(deepcopy=False)}
    assert states == {optuna.trial.TrialState.FAIL}


@pytest.mark.parametrize("method", LISTS)
def test_several_goals_are_searched_at_once(tmp_path: Path, method: str) -> None:
    def square(point: Params) -> dict[str, float]:
        return {"loss": number(point, "x") ** 2, "gain": number(point, "y")}

    several = search(tmp_path, method, TWO_GOALS)
    assert len(optimized(several, square, 14)) == 14
    several.tell({"x": 1, "y": 1}, [ended(State.PRUNED, loss=1, gain=1)])
    assert several.ask() is not None
    assert [direction.name for direction in several._study.directions] == ["MINIMIZE", "MAXIMIZE"]


@pytest.mark.parametrize("method", LISTS)
def test_constraints_keep_the_search_where_they_hold(tmp_path: Path, method: str) -> None:
    def line(point: Params) -> dict[str, float]:
        return {"loss": number(point, "x"), "accuracy": number(point, "x") / 10}

    trials = {"tpe": 60, "gp": 16, "nsga2": 300}[method]
    kept = optimized(search(tmp_path, method, RANGES + 'constraints: ["accuracy >= 0.4"]\n'), line, trials)
    free = optimized(search(tmp_path, method, RANGES), line, trials)
    away = [sum(abs(number(p, "x") - 4) for p, _ in done[-trials // 4 :]) for done in (kept, free)]
    assert away[0] < away[1] / 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("parameters:\n  kind: {values: [a, b]}\n", "method: tpe, gp or nsga2; or min and max"),
        ("metric: [{name: loss, goal: minimize}, {name: b, goal: minimize}]\n", "one goal"),
        ('constraints: ["accuracy >= 0.4"]\n', "does not support constraints"),
    ],
)
def test_what_cmaes_cannot_serve_is_refused_with_the_alternatives(tmp_path: Path, change: str, words: str) -> None:
    parts = {text.split(":")[0]: text for text in (MINIMIZE, RANGES.removeprefix(MINIMIZE), change)}
    sweep = searched(tmp_path, "tpe", "".join(parts.values()))
    with pytest.raises(SpecError, match="tpe, gp or nsga2") as caught:
        check(replace(sweep, method="cmaes"))
    assert words in str(caught.value)
    assert "file.yaml:" in str(caught.value)


def test_a_search_without_a_goal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="needs a metric"):
        Search(replace(searched(tmp_path, "tpe", RANGES), goals=()), {})


def test_equal_seeds_ask_for_equal_points(tmp_path: Path) -> None:
    first, second = (optimized(search(tmp_path, "tpe", BRANIN), branin, 25) for _ in range(2))
    assert first == second
    assert first != optimized(Search(searched(tmp_path, "tpe", BRANIN, seed=1), {}), branin, 25)


def test_optuna_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in METHODS:
            optimized(search(tmp_path, method, ODD_RANGES, depth=3), odd, 12)
    assert capfd.readouterr() == ("", "")


def test_to_check_a_sweep_does_not_load_optuna(tmp_path: Path) -> None:
    searched(tmp_path, "gp", BRANIN)
    code = (
        "import sys; from pathlib import Path; from sweeper.spec.load import load_spec as load\n"
        "from sweeper.search.searcher import check\n"
        "check(load(Path('file.yaml'))); print(*({'optuna', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_nsga2_goes_on_from_many_generations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SmallGenerations(optuna.samplers.NSGAIISampler):
        def __init__(self, seed: int) -> None:
            super().__init__(seed=seed, population_size=2)

    monkeypatch.setattr(optuna.samplers, "NSGAIISampler", SmallGenerations)
    many = search(tmp_path, "nsga2", RANGES)
    for i in range(1000):  # 500 generations
        many.tell({"x": 0.01 * i - 5, "y": 1.0}, [ended(loss=float(i))])
    assert many.ask() is not None
