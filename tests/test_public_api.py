"""What can be imported from `sweeper` and `sweeper.cvae`, and that it works as documented."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import sweeper
import sweeper.cvae
from sweeper.spec.sweep import Sweep


def test_every_public_name_is_there_and_documented() -> None:
    names = ["Exit", "SweeperError", "config_from", "fuse", "load_results", "load_spec", "make_plan", "open"]
    names += ["parameters_of", "plan", "report", "run"]
    assert sorted(sweeper.__all__) == names
    for module in (sweeper, sweeper.cvae):
        for name in module.__all__:
            assert inspect.getdoc(getattr(module, name)) or name.isupper(), name  # constants: where they are assigned


def test_a_bad_file_is_a_sweeper_error(folder: Path) -> None:
    (folder / "bad.yaml").write_text("trainer: cvae\nmethod: gird\n")
    with pytest.raises(sweeper.SweeperError, match="gird"):
        sweeper.load_spec("bad.yaml")


def test_a_sweep_without_a_trainer_is_not_run(folder: Path) -> None:
    (folder / "none.yaml").write_text("parameters: {x: {values: [1, 2]}}\n")
    spec = sweeper.load_spec("none.yaml")
    assert isinstance(spec, Sweep)
    with pytest.raises(sweeper.SweeperError, match="a trainer is needed"):
        sweeper.run(sweeper.make_plan(spec), runner="inprocess")
