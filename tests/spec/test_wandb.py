from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.spec.load import load_spec
from sweeper.spec.sweep import EarlyTermination, Goal
from tests.spec.sweep_texts import complaint, loaded, points

ORDINARY = """\
program: train.py
project: vae            # a comment
entity: team
command:
  - ${env}
  - python3
  - ${program}
  - ${args_no_hyphens}
method: bayes
metric:
  name: val/loss
  goal: minimize
parameters:
  learning_rate: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}
  batch_size: {distribution: q_log_uniform_values, min: 32, max: 256, q: 8}
  epochs: {value: 10}
  dropout: {values: [0.3, 0.4]}
  weight-decay: {min: !!float 1e-6, max: 1e-1}
  optimizer:
    parameters:
      name: {values: [adam, sgd]}
      betas:
        parameters:
          first: {distribution: uniform, min: 0, max: 1}
run_cap: 20
early_terminate: {type: hyperband, min_iter: 3, eta: 3, s: 2}
"""


def test_an_ordinary_file_is_read_as_it_is(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, ORDINARY)
    assert (sweep.name, sweep.method, sweep.trainer) == ("file", "gp", None)
    assert (sweep.budget.trials, sweep.base) == (20, {"epochs": 10})
    assert sweep.goals == (Goal("val/loss", False, "worst"),)
    assert sweep.early == EarlyTermination("hyperband", min_reports=3, eta=3, brackets=2)
    names = [parameter.name for parameter in sweep.space.parameters]
    assert names == [
        "learning_rate",
        "batch_size",
        "dropout",
        "weight-decay",
        "optimizer.name",
        "optimizer.betas.first",
    ]


def test_what_it_ignores_it_says_in_one_warning(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, ORDINARY).warnings
    assert "program, project, entity, command" in str(warning)


def test_places_point_into_nested_parameters(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, ORDINARY)
    assert sweep.place("optimizer.betas.first").endswith("file.yaml:24")
    said = complaint(tmp_path, ORDINARY.replace("min: 0, max: 1", "min: 0, maxx: 1"))
    assert "file.yaml:24: parameters.optimizer.betas.first.maxx" in said
    assert "did you mean max?" in said


def test_its_random_points_follow_the_distributions(tmp_path: Path) -> None:
    for point in points(tmp_path, ORDINARY, "method=random", "budget.trials=50"):
        assert isinstance(point["batch_size"], int)
        assert point["batch_size"] % 8 == 0
        assert 1e-5 <= float(str(point["learning_rate"])) <= 1e-2


def test_seeds_among_the_parameters_become_seeds(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, "method: grid\nparameters:\n  seed: {values: [3, 4]}\n  a: {values: [1, 2]}\nmetric: x\n")
    assert sweep.seeds == (3, 4)
    assert any("read as seeds" in str(warning) for warning in sweep.warnings)
    assert "seeds: 3" in complaint(tmp_path, "parameters:\n  seed: {min: 0.5, max: 9}\n")


def test_a_seed_drawn_from_a_range_is_one_seed(tmp_path: Path) -> None:
    drawn = "{distribution: int_uniform, min: 1, max: 100}"
    text = f"method: random\nrun_cap: 2\nparameters:\n  seed: {drawn}\n  a: {{min: 0.0, max: 1.0}}\nmetric: x\n"
    sweep = loaded(tmp_path, text)
    assert sweep.seeds == (1,)
    assert any("seeds: [1]; for more" in str(warning) for warning in sweep.warnings)


def test_a_name_that_is_no_folder_is_changed_and_reported(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, "program: x.py\nname: 'lr / bs: (v2)'\nparameters: {a: {values: [1, 2]}}\n")
    assert sweep.name == "lr-bs-v2"
    assert "lr-bs-v2" in str(sweep.warnings[0])
    assert "lr-bs-v2 would do" in complaint(tmp_path, "name: 'lr / bs: (v2)'\nparameters: {a: {values: [1, 2]}}\n")


def test_keys_of_the_metric_that_cannot_be_honoured_are_reported(tmp_path: Path) -> None:
    metric = "metric: {name: x, goal: minimize, target: 0.1, impute: latest, impute_while_running: true}\n"
    sweep = loaded(tmp_path, "parameters: {a: {values: [1, 2]}}\n" + metric)
    assert sweep.goals == (Goal("x", False, "worst"),)
    assert [warning.key for warning in sweep.warnings] == [
        "metric.target",
        "metric.impute_while_running",
        "metric.impute",
    ]


def test_several_metrics_are_several_goals(tmp_path: Path) -> None:
    metrics = "metrics: [{name: x, goal: minimize, target: 1}, {name: y, goal: maximize}]\n"
    sweep = loaded(tmp_path, "method: nsga2\nparameters: {a: {values: [1, 2]}}\n" + metrics)
    assert sweep.goals == (Goal("x", False, "worst"), Goal("y", True, "worst"))
    assert [str(warning).split(": ")[1] for warning in sweep.warnings] == ["metric[0].target"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parameters: {a: {min: '1', max: 8}}", "write 1 without quotes"),
        (
            "parameters: {a: {distribution: log_uniform, min: -9, max: -2}}",
            "distribution: log_uniform_values, min: 0.00012341",
        ),
        ("parameters: {a: {values: [1, 2]}, a: {values: [3]}}", "given twice"),
        ("parameters:\n\ta: {values: [1, 2]}", "a tab"),
        ("parameters: {a: 3}", "a: {value: 3}"),
        ("parameters: {a: [1, 2]}", "a: {values: [1, 2]}"),
        ("parameter: {a: {value: 1}}", "did you mean parameters?"),
        ("parameters: {a: {distribution: unifrom, min: 0, max: 1}}", "did you mean uniform?"),
        ("run_cap: 3\nbudget: {trials: 4}", "run_cap is budget.trials"),
        ("metric: {name: x, goal: min}", "minimize, maximize"),
        ("early_terminate: {type: envelope}", "asha, hyperband"),
        ("early_terminate: hyperband", 'early_terminate: {type: "hyperband"}'),
        ("method: custom", "method: tpe"),
    ],
)
def test_what_public_files_get_wrong_is_refused_clearly(tmp_path: Path, text: str, words: str) -> None:
    assert words in complaint(tmp_path, text)


def test_mappings_are_values_as_in_wandb(tmp_path: Path) -> None:
    text = """
program: train.py
base: {layers: [{units: 3}], none: {}, nested: {a: 1}}
parameters:
  opt: {values: [{name: adam, lr: 0.1}, {lr: 0.2, name: sgd}]}
  fixed: {value: {b: 2.0, a: [{c: 1}]}}
"""
    sweep = loaded(tmp_path, text)
    assert sweep.base == {"layers": [{"units": 3}], "none": {}, "nested.a": 1, "fixed": {"a": [{"c": 1}], "b": 2}}
    assert points(tmp_path, text) == [{"opt": {"lr": 0.1, "name": "adam"}}, {"opt": {"lr": 0.2, "name": "sgd"}}]
    (again := tmp_path / "again.yaml").write_text(sweep.text)
    assert (load_spec(again).base, load_spec(again).space) == (sweep.base, sweep.space)
