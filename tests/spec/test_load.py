from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.planning.configurations import configurations
from sweeper.spec.claims.records import Best, Compare, Equivalent, Typical
from sweeper.spec.load import load_spec
from sweeper.spec.sweep import Abort, Budget, Checkpoints, EarlyTermination, Goal, Resources, Retry, Tracking
from tests.spec.sweep_texts import CONTRACT, SMALL, complaint, loaded, points, refused, written

FOLDER = Path(__file__).parents[2] / "search_spaces"


def test_every_key_of_the_contract_is_read(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, CONTRACT)
    assert (sweep.name, sweep.trainer, sweep.method, sweep.seeds) == ("grid", "cvae", "grid", (0, 1, 2))
    assert sweep.base == {"task.length": 5, "train.steps": 2000}
    assert sweep.goals == (Goal("alignment", True, "worst"),)
    assert sweep.early == EarlyTermination("asha", min_steps=200, eta=3)
    assert sweep.budget == Budget(200, 7200, 4 * 3600)
    assert (sweep.resources, sweep.retry, sweep.abort) == (Resources(), Retry(), Abort())
    assert (sweep.checkpoints, sweep.tracking) == (Checkpoints(), Tracking())
    assert sweep.warnings == ()


def test_the_claims_of_the_contract_are_records(tmp_path: Path) -> None:
    tests = [claim.test for claim in loaded(tmp_path, CONTRACT).claims]
    weight = "loss.inter_latent_divergence_weight"
    assert tests == [
        Typical(0.985, 1.0),
        Equivalent(0.1667, 0.1),
        Compare({weight: 1}, {weight: 0}, "greater", 0.1, 0.0),
        Compare({weight: 1}, {weight: 0}, "not_lower", 0.0, 0.01),
        Best(0.9, None),
    ]


@pytest.mark.parametrize(
    "parent", ["trainer: cvae", "parameters: {task.emit: {values: [a, b]}, task.length: {values: [5, 6]}}"]
)
def test_the_page_of_the_contract_loads_word_by_word(tmp_path: Path, parent: str) -> None:
    written(tmp_path, parent, "mar17.yaml")
    sweep = loaded(tmp_path, CONTRACT + "zip: [[task.emit, task.length]]\nextends: mar17.yaml\n")
    assert all("no effect" in warning.message for warning in sweep.warnings)
    assert sweep.base["task.length"] == 5


def test_the_grid_of_the_contract_has_twenty_configurations(tmp_path: Path) -> None:
    chosen = points(tmp_path, CONTRACT)
    assert len(chosen) == 4 + 2 * 4 * 2
    assert all("loss.inter_latent_divergence_weight" not in point for point in chosen if point["loss.beta"] == 0)


@pytest.mark.parametrize("override", [[], ["method=random"], ["loss.beta=1,2", "seeds=[4]", "train.steps=5", "~where"]])
def test_the_effective_text_loads_again_to_the_same_sweep(tmp_path: Path, override: list[str]) -> None:
    sweep = loaded(tmp_path, CONTRACT, *override)
    again = load_spec(written(tmp_path, sweep.text, "again.yaml"))
    assert again == sweep
    assert again.text == sweep.text


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, "parameters: {a: {values: [1, 2]}}\n")
    assert (sweep.name, sweep.description, sweep.trainer, sweep.method, sweep.seeds) == ("file", "", None, "grid", (0,))
    assert (sweep.goals, sweep.claims, sweep.budget, sweep.early.type) == ((), (), Budget(), "none")


def test_values_are_canonical(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, "base: {a: 1.0, b: 1e0, c: -0.0}\nparameters: {d: {values: [2.0, 3]}, e: {value: 4.0}}\n")
    assert [repr(value) for value in sweep.base.values()] == ["1", "1", "0", "4"]
    assert sweep == loaded(tmp_path, "base: {c: 0, b: 1, a: 1}\nparameters: {d: {values: [2, 3]}, e: {value: 4}}\n")


def test_one_fixed_value_is_a_setting_and_not_a_parameter(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, "parameters: {a: {value: 3}, b: {values: [1, 2]}, c: {value: 5, when: 'b > 1'}}\n")
    assert sweep.base == {"a": 3}
    assert points(tmp_path, sweep.text) == [{"b": 1}, {"b": 2, "c": 5}]


def test_a_list_of_configurations_is_taken_as_it_is(tmp_path: Path) -> None:
    text = "method: list\nconfigs: [{a: 1, b: {c: 2}}, {a: 2}, {b.c: 2, a: 1.0}]\nwhere: ['a < 9']\n"
    assert points(tmp_path, text) == [{"a": 1, "b.c": 2}, {"a": 2}]


def test_random_draws_one_configuration_for_each_group_of_seeds(tmp_path: Path) -> None:
    text = "method: random\nseeds: 3\nparameters: {x: {min: 0.0, max: 1}}\nmetric: {name: l, goal: minimize}\n"
    assert len(points(tmp_path, text + "budget: {trials: 10}\n")) == 4
    assert not configurations(loaded(tmp_path, text)).complete
    assert not configurations(loaded(tmp_path, text + "budget: {trials: 10}\n", "method=tpe")).complete


def test_the_same_file_draws_the_same_points_for_ever(tmp_path: Path) -> None:
    text = "budget: {trials: 2}\nsampler: {seed: 5}\nparameters: {x: {min: 1e-3, max: 1.0, log: true}}\nmethod: "
    assert points(tmp_path, text + "random") == [{"x": 0.336419088923}, {"x": 0.615564596154}]
    assert points(tmp_path, text + "qmc") == [{"x": 0.0037819844932}, {"x": 0.11959685074}]


def test_removed_counts_fill_while_points_are_read(tmp_path: Path) -> None:
    found = configurations(loaded(tmp_path, SMALL + "where: ['a > 1', \"b == 'x'\"]\n"))
    assert found.removed == {"a > 1": 0, "b == 'x'": 0}
    assert list(found.points) == [{"a": 2, "b": "x"}]
    assert found.removed == {"a > 1": 2, "b == 'x'": 1}


def test_conditions_may_read_the_base_and_the_trainers_defaults(tmp_path: Path) -> None:
    text = SMALL + "base: {c: 3}\nwhere: ['a < c', 'a < d']\n"
    assert len(list(configurations(loaded(tmp_path, text), {"d": 2}).points)) == 2
    with pytest.raises(SpecError, match=r"file.yaml:6: where\[1\]: no such setting"):
        configurations(loaded(tmp_path, text))


def test_all_problems_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    problems = refused(
        tmp_path,
        "nmae: x\nmethod: gird\nseeds: 0\nmetric: {goal: up}\nparameters: {a: {min: 2, max: 1}, b: {valus: [1]}}\n"
        "where: ['a >']\nbudget: {wall: soon}\nresources: {gpu: all}\nexpect: [{name: x, metric: y}]\n",
    )
    keys = [problem.key for problem in problems]
    assert keys == [
        "method", "metric", "metric.goal", "parameters.a.min", "parameters.b.valus", "where[0]", "seeds", "budget.wall",
        "resources.gpu", "expect[0]", "nmae",
    ]  # fmt: skip
    assert all(problem.where.endswith(f"file.yaml:{line}") for problem, line in zip(problems, LINES, strict=True))


LINES = (2, 4, 4, 5, 5, 6, 3, 7, 8, 9, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 3", "did you mean seeds?"),
        ("seeds: [1, x]", "a whole number"),
        ("seeds: [-1]", "at least 0"),
        ("seeds: true", "seeds"),
        ("budget: {wall: 0}", "above 0"),
        ("budget: {trials: 1.5}", "a whole number"),
        ("resources: {cpu: '2'}", "write 2 without quotes"),
        ("parameters: {a: {min: 0.1, max: 1, log: yes}}", "write true or false"),
        ("name: 2024", 'write "2024"'),
        ("name: a/b", "cannot be a folder"),
        ("name: ..", "cannot be a folder"),
        ("trainer: ''", "trainer"),
        ("where: a > 1", 'where: ["a > 1"]'),
        ("zip: [[a]]", "a list of at least 2"),
        ("metric: []", "metric"),
        ("metric: 3", "metric"),
        ("expect: [{name: x, metric: y, best: {}}]", "at_least or at_most"),
        ("expect: [{name: x, metric: y, within: [1, 0]}]", "the interval is empty"),
        ("expect: [{name: x, metric: y, within: [1]}]", "a list of 2"),
        ("expect: [{name: x, metric: y, within: [0, 1], typical: [0, 1]}]", "exactly one kind"),
        ("expect: [{name: x, metric: y, compare: {a: [1, 1.0]}}]", "the same"),
        ("early_terminate: {type: patience}", "patience is missing"),
        ("early_terminate: {type: threshold}", "below or above"),
        ("early_terminate: {min_steps: 5, max_steps: 2}", "the minimum is above the maximum"),
        ("base: 3", "a mapping"),
        ("base: {a: {}}\nparameters: []", "a mapping"),
        ("loss.beta: 3", "a parameter goes below parameters:"),
    ],
)
def test_a_wrong_value_is_met_with_what_is_allowed(tmp_path: Path, text: str, words: str) -> None:
    said = complaint(tmp_path, text)
    assert "file.yaml:" in said
    assert words in said


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_every_published_sweep_file_is_valid_and_without_other_warnings(file: Path) -> None:
    warnings = load_spec(file).warnings
    assert [one.message for one in warnings if one.message != "a single value does not vary"] == []


def test_importing_the_reader_loads_nothing_heavy() -> None:
    code = (
        "import sys; import sweeper.spec.load;"
        "print([m for m in ('torch', 'ray', 'mlflow', 'optuna', 'pandas', 'numpy', 'scipy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
