from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from tests.spec.sweep_texts import CONTRACT, loaded


def test_a_key_knows_its_line_or_that_of_the_nearest_above(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, CONTRACT, "budget.wall=1h", "loss.beta=1,2")
    lines = {
        "seeds": 13,
        "task.length": 5,
        "where[0]": 12,
        "early_terminate.eta": 14,
        "expect[2].compare": 24,
        "nothing": 1,
    }
    for key, line in lines.items():
        assert sweep.place(key) == f"{tmp_path}/file.yaml:{line}"
    assert (
        sweep.place("budget.wall") == sweep.place("loss.beta") == sweep.place("parameters.loss.beta") == "command line"
    )


def test_a_sweep_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded(tmp_path, CONTRACT).name = "x"  # type: ignore[misc]


def test_settings_travel_between_processes(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, CONTRACT)
    records = (sweep.base, sweep.goals, sweep.budget, sweep.resources, sweep.retry, sweep.early, sweep.places)
    assert pickle.loads(pickle.dumps(records)) == records
