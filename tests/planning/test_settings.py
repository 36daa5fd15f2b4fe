"""The types of the settings that a trainer gets: 1 and 1.0 are one trial, and it gets the one that is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.planning.plan import make
from sweeper.planning.settings import settings
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from tests.execution import runs

FILE = """\
name: typed
trainer: noisy:train
metric: {name: score, goal: maximize}
"""


def given(folder: Path, text: str, *overrides: str, defaults: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """What a trainer with these declared defaults (None: none declared) gets in each trial."""
    file = folder / "typed.yaml"
    file.write_text(FILE + text)
    found = replace(trainer.find("noisy:train"), defaults=defaults, check=lambda params: [])
    sweep = load_spec(file, overrides)
    return [settings(item.trial, sweep, found) for item in make(sweep, found, folder / "results").items]


def typed(values: list[dict[str, Any]], name: str) -> str:
    return repr([one[name] for one in values])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parameters: {w: {values: [0.5, 1.0, 2]}}", "[0.5, 1.0, 2.0]"),
        ("parameters: {w: {values: [1, 2]}}", "[1, 2]"),
        ("parameters: {w: {values: [1.0]}, x: {values: [1]}}", "[1.0]"),
        ("base: {w: 10.0}\nparameters: {x: {values: [1]}}", "[10.0]"),
        ("parameters: {w: {value: 2.0}, x: {values: [1]}}", "[2.0]"),
        ("parameters: {w: {min: 0.0, max: 2.0, step: 0.5}}", "[0.0, 0.5, 1.0, 1.5, 2.0]"),
        ("parameters: {w: {min: 1, max: 2}}", "[1, 2]"),
        ("method: list\nconfigs: [{w: 1}, {w: 2.0}]", "[1.0, 2.0]"),
        ("parameters: {w: {values: [[1.0, 2], [3, 4]]}}", "[[1.0, 2.0], [3.0, 4.0]]"),
        ("parameters: {w: {values: [{a: 1.0, n: 2}, {a: 3, n: 4}]}}", "[{'a': 1.0, 'n': 2}, {'a': 3.0, 'n': 4}]"),
        ("parameters: {w: {values: [auto, true, null, 1.0]}}", "['auto', True, None, 1.0]"),
    ],
)
def test_without_a_default_a_setting_is_a_float_where_the_file_writes_one(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert typed(given(tmp_path, text), "w") == expected


@pytest.mark.parametrize(
    ("default", "expected"), [(0.1, "[1.0, 2.0]"), (1, "[1, 2]"), (None, "[1.0, 2.0]"), ("auto", "[1.0, 2.0]")]
)
def test_a_declared_default_decides(tmp_path: Path, default: object, expected: str) -> None:
    found = given(tmp_path, "parameters: {w: {values: [1.0, 2]}}", defaults={"w": default, "other": 10.0})
    assert typed(found, "w") == expected
    assert typed(found, "other") == "[10.0, 10.0]"


def test_an_override_means_the_float_that_the_file_has(tmp_path: Path) -> None:
    assert typed(given(tmp_path, "parameters: {w: {values: [0.5, 1.0]}}", "w=1"), "w") == "[1.0]"
    assert typed(given(tmp_path, "base: {x: 1}\nparameters: {w: {values: [1, 2]}}", "w=1,2.0"), "w") == "[1.0, 2.0]"


def test_one_and_one_point_nought_are_one_trial(tmp_path: Path) -> None:
    def keys(text: str) -> list[str]:
        (tmp_path / "typed.yaml").write_text(FILE + text)
        plan = make(load_spec(tmp_path / "typed.yaml"), trainer.find("noisy:train"), tmp_path / "results")
        return [item.trial.key for item in plan.items]

    assert keys("parameters: {a: {values: [1.0, 2.0]}}") == keys("parameters: {a: {values: [1, 2]}}")


def test_a_worker_calls_the_trainer_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tells.py").write_text(
        "import json, pathlib\n\ndef train(params, report, directory):\n"
        "    (directory / 'params.json').write_text(json.dumps(params))\n    report(1, {'score': 1.0})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "typed.yaml").write_text(
        FILE.replace("noisy", "tells") + "base: {w: 10.0}\nparameters: {lr: {values: [1.0]}}\n"
    )
    runs.train(tmp_path / "typed.yaml")
    [written] = (tmp_path / "results").rglob("params.json")
    assert repr(json.loads(written.read_text())) == "{'w': 10.0, 'lr': 1.0, 'seed': 0}"
