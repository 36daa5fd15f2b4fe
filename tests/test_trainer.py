from __future__ import annotations

import re

import pytest

from sweeper import trainer
from sweeper.errors import UsageError


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
    assert (problem.key, problem.found) == ("train.steps", "'many'")
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
