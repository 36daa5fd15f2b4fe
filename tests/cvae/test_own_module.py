"""The example of sweeper/cvae/README.md: a module of one's own, trained with the losses, and swept."""

from __future__ import annotations

import shutil
from pathlib import Path

import sweeper
from tests.conftest import TRAINERS


def test_a_module_of_ones_own_is_swept(folder: Path) -> None:
    for name in ("own_module.py", "own_module.yaml"):
        shutil.copy(TRAINERS / name, folder)
    (folder / "short.yaml").write_text("extends: own_module.yaml\nname: short\nbase: {steps: 20, report_every: 20}\n")
    plan = sweeper.make_plan(sweeper.load_spec("short.yaml", ["seeds=1"]))
    sweeper.run(plan, runner="inprocess")
    results = sweeper.load_results("results/short")
    assert list(results.trials["state"]) == ["completed"] * 2
    assert results.trials["alignment"].between(0, 1).all()
