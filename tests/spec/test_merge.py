from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.spec.load import load_spec
from sweeper.spec.space.domains import Choice, Range
from tests.spec.sweep_texts import SMALL, complaint, loaded, refused, written

PARENT = """\
name: parent
trainer: cvae
base: {task: {length: 5, name: x}, train.steps: 10}
metric: {name: loss, goal: minimize, impute: fail}
parameters:
  a: {values: [1, 2], when: "train.steps > 1"}
  b: {min: 0.5, max: 2, log: true, points: 3}
early_terminate: {type: asha, eta: 4}
where: ["a < 5"]
"""


def extended(folder: Path, child: str) -> Path:
    written(folder, PARENT, "parent.yaml")
    return written(folder, "extends: parent.yaml\n" + child, "child.yaml")


def test_a_small_difference_is_a_whole_sweep(tmp_path: Path) -> None:
    sweep = load_spec(extended(tmp_path, "base: {task.length: 7, extra: 1}\nseeds: 2\n"))
    assert sweep.base == {"task.length": 7, "task.name": "x", "train.steps": 10, "extra": 1}
    assert (sweep.name, sweep.trainer, sweep.seeds) == ("child", "cvae", (0, 1))


def test_places_tell_which_file_a_key_came_from(tmp_path: Path) -> None:
    sweep = load_spec(extended(tmp_path, "base: {task.length: 7}\n"))
    assert sweep.place("task.length").endswith("child.yaml:2")
    assert sweep.place("train.steps").endswith("parent.yaml:3")


def test_a_parameter_is_merged_by_key_unless_its_kind_changes(tmp_path: Path) -> None:
    sweep = load_spec(extended(tmp_path, "parameters:\n  a: {min: 1, max: 9}\n  b: {max: 4}\n"))
    a, b = sweep.space.parameters
    assert a.domain == Range(1, 9, integer=True)
    assert a.when is not None
    assert b.domain == Range(0.5, 4, log=True, points=3)


def test_a_name_moves_between_base_and_parameters(tmp_path: Path) -> None:
    sweep = load_spec(
        extended(tmp_path, "base: {a: 3}\nparameters: {train.steps: {values: [5, 6]}}\n"), ["method=grid"]
    )
    assert [parameter.name for parameter in sweep.space.parameters] == ["b", "train.steps"]
    assert sweep.base["a"] == 3
    assert "train.steps" not in sweep.base
    assert sweep.warnings == ()


def test_null_takes_out_what_the_other_file_said(tmp_path: Path) -> None:
    sweep = load_spec(extended(tmp_path, "where: null\nearly_terminate:\nparameters: {b: null}\n"))
    assert (sweep.space.where, sweep.early.type, len(sweep.space.parameters)) == ((), "none", 1)


def test_a_mapping_of_another_type_is_replaced_as_a_whole(tmp_path: Path) -> None:
    assert load_spec(extended(tmp_path, "early_terminate: {type: median}\n")).early.eta == 3
    assert load_spec(extended(tmp_path, "early_terminate: {min_steps: 9}\n")).early.eta == 4


def test_several_files_are_merged_in_order(tmp_path: Path) -> None:
    written(tmp_path, "base: {x: 1, y: 1}\n", "one.yaml")
    written(tmp_path, "base: {y: 2, z: 2}\n", "two.yaml")
    assert loaded(tmp_path, "extends: [one.yaml, two.yaml]\nbase: {z: 3}\n").base == {"x": 1, "y": 2, "z": 3}


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    written(tmp_path, PARENT, "top.yaml")
    written(tmp_path / "deep", "extends: ../top.yaml\n", "middle.yaml")
    assert loaded(tmp_path, "extends: deep/middle.yaml\n").trainer == "cvae"


def test_files_in_a_circle_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "extends: file.yaml\n", "b.yaml")
    [problem] = refused(tmp_path, "name: x\nextends: b.yaml\n")
    assert "circle" in problem.message
    assert "file.yaml -> b.yaml -> file.yaml" in problem.found
    assert "circle" in complaint(tmp_path, "extends: file.yaml\n")


@pytest.mark.parametrize(
    "value", ["3", "[]", "''", "{a: 1}", "nowhere.yaml", "[parent.yml]", "'a\\0b'", '"a\\0b"', "."]
)
def test_a_file_that_cannot_be_extended_is_named(tmp_path: Path, value: str) -> None:
    assert "yaml" in complaint(tmp_path, f"extends: {value}\n{SMALL}")


def test_nested_and_dotted_names_are_the_same_and_clash(tmp_path: Path) -> None:
    assert loaded(tmp_path, "base: {a: {b: {c: 1}}}").base == loaded(tmp_path, "base: {a.b.c: 1}").base
    assert "nested and dotted" in complaint(tmp_path, "base: {a: {b: 1}, a.b: 2}")
    nested = "parameters: {o: {parameters: {lr: {value: 1}}}, o.lr: {value: 2}}"
    assert "nested and dotted" in complaint(tmp_path, nested)


@pytest.mark.parametrize("name", ["''", "a..b", ".a", "'a.'", "😀", "'a\\tb'", "'a\"b'", "../x", "a;b"])
def test_a_name_that_is_no_setting_is_refused(tmp_path: Path, name: str) -> None:
    assert "not a name" in complaint(tmp_path, f"parameters: {{{name}: {{values: [1, 2]}}}}")
    assert "not a name" in complaint(tmp_path, f"base: {{{name}: 1}}")


def test_an_empty_section_is_as_if_left_out(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, "where:\nexpect:\nbudget:\nparameters: {a: {values: [1, 2], when: }}\n")
    assert sweep.space.parameters[0].domain == Choice((1, 2))


def test_a_fault_in_the_extended_file_is_reported_with_its_name(tmp_path: Path) -> None:
    written(tmp_path, "seeds: x\n", "bad.yaml")
    assert "bad.yaml:1: seeds" in complaint(tmp_path, "extends: bad.yaml\n")
    written(tmp_path, "a: [\n", "bad.yaml")
    with pytest.raises(SpecError, match=r"bad.yaml:1"):
        loaded(tmp_path, "extends: bad.yaml\n")
