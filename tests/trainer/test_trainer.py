from __future__ import annotations

import re
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.trainer import trainer
from sweeper.trainer.declarations import unknown_setting


def test_the_bundled_trainer_declares_its_settings_and_metrics() -> None:
    found = trainer.find("cvae")
    assert found.defaults is not None
    assert found.metrics is not None
    assert "loss.beta" in found.defaults
    assert list(found.metrics)[:3] == ["task_accuracy", "posterior_entropy", "alignment"]


def test_a_setting_that_the_bundled_trainer_lacks_is_named_with_its_neighbour() -> None:
    (problem,) = trainer.find("cvae").check({"loss.betta": 1})
    assert problem.key == "loss.betta"
    assert "loss.beta" in problem.hint


def test_a_value_that_the_bundled_trainer_refuses_is_named_with_what_is_allowed() -> None:
    (problem,) = trainer.find("cvae").check({"train.steps": "many"})
    assert (problem.key, problem.found) == ("train.steps", '"many"')
    assert problem.allowed


def test_a_trainer_of_ones_own_may_declare_its_parameters() -> None:
    found = trainer.find("quadratic:train")
    assert trainer.resolve(found, {"x": 5}) == {"x": 5, "target": 0.0, "steps": 3}
    assert [p.key for p in found.check({"x": 1, "y": 2})] == ["y"]


def test_without_a_declaration_any_parameter_is_allowed() -> None:
    found = trainer.find("naughty:raises")
    assert found.defaults is None
    assert found.check({"anything": 1}) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "no such trainer(.|\n)*cvae, or package.module:function"),
        ("no_such_module:f", "cannot import: No module named 'no_such_module'"),
        ("quadratic:nope", "module quadratic has no function nope"),
        ("quadratic:__doc__", "not a function"),
        ("os; import sys:f", "no such trainer"),
    ],
)
def test_a_trainer_that_is_not_there_is_refused_with_what_would_be(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        trainer.find(name)
    assert re.search(message, str(caught.value))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("calls:one", "cannot be called as function.params, report.: too many positional arguments"),
        ("calls:keywords", "cannot be called as function"),
        ("calls:main", "cannot be called as function"),
        ("calls:three", "missing a required argument: 'extra'"),
        ("calls:coroutine", "an async function is no trainer"),
        ("calls:generator", "a generator is no trainer"),
        ("calls:Made", "a class is no trainer"),
        ("os:system", "cannot be called as function"),
        ("exits:train", "importing it fails: SystemExit: 2"),
    ],
)
def test_a_function_that_would_fail_in_every_trial_is_refused_before_the_first(
    name: str, message: str, folder: Path
) -> None:
    (folder / "exits.py").write_text("import argparse\nargparse.ArgumentParser().parse_args(['--no'])\n")
    with pytest.raises(UsageError, match=message):
        trainer.find(name)


@pytest.mark.parametrize("name", ["good", "good_partial", "good_object", "good_words"])
def test_whatever_can_be_called_so_is_a_trainer(name: str) -> None:
    assert trainer.find(f"calls:{name}").defaults is None


def test_an_unknown_setting_is_answered_with_near_ones_or_with_sections_not_with_a_hundred_names() -> None:
    config = trainer.find("cvae").defaults
    assert config is not None
    assert unknown_setting("train.step", config).hint.startswith("did you mean train.steps")
    assert unknown_setting("evaluation_samples", config).hint == "it has loss.*, model.*, task.*, train.*"
    assert unknown_setting("q", {"x": 1, "width": 2}).hint == "it has width, x"
