from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.trainer import module_names, planned_source, trainer
from tests.conftest import Sweeper

TRAIN = "def train(params, report): report(1, {'loss': params['x']})\n"
SWEEP = "name: toy\ntrainer: {}\nmetric: {{name: loss, goal: minimize}}\nparameters:\n  x: {{values: [1, 2]}}\n"


@pytest.fixture
def path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, from which this process may import until the test ends."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield folder
    planned_source.use({})
    assert {name for name in ("torch", "yaml", "random") if sys.modules.get(name) is not before.get(name)} == set()


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("torch:train", "torch.py", "its module has the name of the package torch, which sweeper needs"),
        ("ray:train", "ray/__init__.py", "its module has the name of the package ray"),
        ("six:train", "six.py", "its module has the name of the package six"),
        ("random:train", "random.py", "its module has the name of a module of Python itself"),
        ("code.mine:train", "code/mine.py", "its module has the name of a module of Python itself"),
        ("ray.mine:train", "ray/mine.py", "its module has the name of the package ray"),
        ("sweeper:train", "sweeper.py", "its module has the name of sweeper itself"),
    ],
)
def test_a_trainer_whose_module_others_mean_is_refused_before_it_is_imported(
    path: Path, name: str, file: str, message: str
) -> None:
    (path / file).parent.mkdir(exist_ok=True)
    (path / file).write_text("raise SystemExit\n" + TRAIN)
    with pytest.raises(UsageError, match=message) as caught:
        trainer.find(name)
    (problem,) = caught.value.problems
    assert problem.found == file.removesuffix("/mine.py").removesuffix("/__init__.py")
    assert problem.hint == f"rename it: my_{name}"


@pytest.mark.parametrize(("other", "owner"), [("yaml", "the package yaml"), ("random", "a module of Python itself")])
def test_so_is_one_that_imports_such_a_file_of_ones_own(path: Path, other: str, owner: str) -> None:
    (path / "mine.py").write_text(f"import {other}\n{TRAIN}")
    (path / f"{other}.py").write_text("raise SystemExit\n")
    with pytest.raises(UsageError, match=f"a module that mine:train imports has the name of {owner}"):
        trainer.find("mine:train")


def test_a_file_next_to_the_trainer_hides_no_package_that_sweeper_needs(path: Path) -> None:
    """Before, MLflow and Ray met it when they were imported late: `cannot import name 'MlflowClient'`."""
    (path / "mine.py").write_text(TRAIN)
    for name in ("cachetools", "unneeded"):
        (path / f"{name}.py").write_text("")
    trainer.find("mine:train")
    found = (finder.find_spec("cachetools", None) for finder in sys.meta_path)
    assert "-packages" in str(next(spec for spec in found if spec is not None).origin)
    assert module_names.needed_spec("unneeded") is None
    assert module_names.needed_spec("torch") is None  # nothing of one's own has its name


@pytest.mark.parametrize("name", ["boto3", "own_package.random", "modèle"])
def test_names_that_sweeper_does_not_need_are_free(path: Path, name: str) -> None:
    file = path.joinpath(*name.split(".")).with_suffix(".py")
    file.parent.mkdir(exist_ok=True)
    file.write_text(TRAIN)
    assert trainer.find(f"{name}:train").source[name].path == str(file)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("my-mod:train", "my_mod:train, its file renamed to my_mod.py"),
        ("my mod:train", "my_mod:train, its file renamed to my_mod.py"),
        ("./lib/mine.py:train", "lib.mine:train"),
        ("mine.py", "mine:train"),
        ("../mine.py:run", "write mine:run, and put the folder of its file on PYTHONPATH"),
    ],
)
def test_a_path_for_a_trainer_is_answered_with_its_module(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint) + "$"):
        trainer.find(name)


def test_the_line_of_the_file_is_named_and_nothing_is_left_behind(sweeper: Sweeper, folder: Path) -> None:
    (folder / "toy.yaml").write_text(SWEEP.format("numpy:train"))
    (folder / "numpy.py").write_text(TRAIN)
    for command in ("validate", "plan", "run"):
        result = sweeper(command, "toy.yaml")
        assert result.code == 2
        assert result.err.startswith("error: toy.yaml:2: trainer: its module has the name of the package numpy")
    assert sorted(path.name for path in folder.iterdir()) == ["numpy.py", "toy.yaml"]
