"""`label:` and `short:` of a sweep file: read, no part of a trial, overridden and kept by files that extend."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.planning import plan
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer

PLAIN = "trainer: cvae\nmetric: {name: alignment, goal: maximize}\nparameters:\n  loss.beta: {values: [0, 1]}\n"


def written(text: str, name: str = "s.yaml") -> Path:
    Path(name).write_text(text)
    return Path(name)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_labels_change_no_key_and_name_the_trials() -> None:
    made = trainer.find("cvae")
    plain = plan.make(load_spec(written(PLAIN)), made, Path("results"))
    named = PLAIN.replace("values: [0, 1]", "values: [0, 1], label: KL weight, short: kl")
    labelled = plan.make(load_spec(written(named)), made, Path("results"))
    assert [item.trial.key for item in plain.items] == [item.trial.key for item in labelled.items]
    assert labelled.items[0].trial.name == "kl=0 seed=0"
    assert plain.items[0].trial.name == "beta=0 seed=0"
    assert labelled.labels.text("loss.beta") == "KL weight"
    assert labelled.labels.shorts["task_accuracy"] == "acc"


def test_a_file_that_extends_another_keeps_its_labels() -> None:
    written(PLAIN.replace("values: [0, 1]", "values: [0, 1], short: kl"), "base.yaml")
    sweep = load_spec(written("extends: base.yaml\nparameters:\n  loss.beta: {min: 0.0, max: 1.0, points: 3}\n"))
    assert sweep.labels.shorts == {"loss.beta": "kl"}


def test_a_short_name_has_no_spaces() -> None:
    with pytest.raises(SpecError, match="short"):
        load_spec(written(PLAIN.replace("values: [0, 1]", 'values: [0, 1], short: "a b"')))
