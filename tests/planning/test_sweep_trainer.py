from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.planning.sweep_trainer import find_trainer
from sweeper.spec.load import load_spec
from sweeper.trainer import planned_source
from sweeper.trainer.trainer import Trainer
from tests.conftest import Sweeper

CHECKER = "from rules import last\ndef right(prompt, output): return output[-1:] == [last]\n"
SWEEP = """\
name: checked
trainer: cvae
base: {task.name: file, task.path: data.jsonl, task.checker: "checker:right"}
metric: {name: task_accuracy, goal: maximize}
parameters:
  loss.beta: {values: [0, 1]}
"""


@pytest.fixture
def places(two_folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """The current folder with a sweep and its data, and another folder, on the Python path."""
    here, _ = two_folders
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / "cache"))
    rows = [{"prompt": f"a {number}", "target": "b c"} for number in range(60)]
    (here / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (here / "checked.yaml").write_text(SWEEP)
    yield two_folders
    planned_source.use({})
    for name in ("checker", "rules"):
        sys.modules.pop(name, None)


def found() -> Trainer:
    trainer = find_trainer(load_spec(Path("checked.yaml")), Path("results"), needed=True)
    assert trainer is not None
    return trainer


def test_a_checker_and_what_it_imports_count_wherever_they_lie(places: tuple[Path, Path]) -> None:
    """Before, only `checker.py` in the current folder did: results of another one kept their key."""
    here, other = places
    (here / "checker.py").write_text("def right(prompt, output): return True\n")
    alone = found()
    assert list(alone.data) == ["data.jsonl", "checker.py"]  # in this order: earlier keys stay
    for place in (here, other):
        (here / "checker.py").unlink(missing_ok=True)
        (place / "checker.py").write_text(CHECKER)
        (other / "rules.py").write_text("last = 'c'\n")
        first = found()
        names = [os.path.relpath(path) for path in first.data]
        assert names == ["data.jsonl", os.path.relpath(place / "checker.py"), "../other/rules.py"]
        (other / "rules.py").write_text("last = 'b'\n")
        assert found().code != first.code
        assert found().source["rules"].content == b"last = 'b'\n"


def test_a_checker_that_is_a_link_counts_by_what_it_leads_to(places: tuple[Path, Path]) -> None:
    here, other = places
    (other / "shared.py").write_text("def right(prompt, output): return True\n")
    (here / "checker.py").symlink_to(other / "shared.py")
    first = found()
    (other / "shared.py").write_text("def right(prompt, output): return False\n")
    assert found().code != first.code


def test_checkers_of_python_and_of_packages_are_no_code(places: tuple[Path, Path]) -> None:
    assert (places[0] / "checked.yaml").write_text(SWEEP.replace("checker:right", "operator:eq"))
    assert list(found().data) == ["data.jsonl"]


def test_a_checker_whose_module_others_mean_is_refused(places: tuple[Path, Path], sweeper: Sweeper) -> None:
    folder = places[0].parent  # where commands are run
    (places[0] / "data.jsonl").rename(folder / "data.jsonl")
    for name in ("yaml", "random"):
        (folder / "checked.yaml").write_text(SWEEP.replace("checker:right", f"{name}:right"))
        (folder / f"{name}.py").write_text("def right(prompt, output): return True\n")
        result = sweeper("validate", "checked.yaml")
        assert result.code == 2
        assert "checked.yaml:3: task.checker: its module has the name of" in result.err
        assert f"rename it: my_{name}:right" in result.err
