from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.trainer import planned_source, trainer
from sweeper.trainer.trainer import Trainer

FILES = {
    "mine.py": "from lib import helper\nNUMBER = 1\ndef train(params, report):\n    from lib.late import f\n",
    "lib/__init__.py": "",
    "lib/helper.py": "NUMBER = 1\n",
    "lib/late.py": "NUMBER = 1\ndef f(): pass\n",
}


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A trainer `mine:train` that imports a package of its own, one module of it late."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "lib").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    yield folder
    planned_source.use({})


def edit(project: Path) -> None:
    for name, text in FILES.items():
        (project / name).write_text(text.replace("1", "2"))


def numbers(found: Trainer) -> list[int]:
    """What this process imports of the modules of a trainer."""
    names = [name for name in found.source if name != "lib"]
    return [number(name) for name in sorted(names)]


def number(name: str) -> int:
    __import__(name)
    return int(sys.modules[name].NUMBER)


def test_what_is_imported_is_what_was_planned_whatever_the_files_are_by_then(project: Path) -> None:
    found = trainer.find("mine:train")
    edit(project)
    assert set(found.source) == {"mine", "lib", "lib.helper", "lib.late"}
    assert numbers(found) == [1, 1, 1]
    assert inspect.getsource(sys.modules["mine"]) == FILES["mine.py"]
    again = trainer.find("mine:train")
    assert again.code != found.code
    assert numbers(again) == [2, 2, 2]


def test_another_process_needs_no_files(project: Path) -> None:
    found = trainer.find("mine:train")
    for name in FILES:
        (project / name).unlink()
    planned_source.use({})
    assert "mine" not in sys.modules
    planned_source.use(found.source)
    assert numbers(found) == [1, 1, 1]


def test_a_module_imported_before_is_imported_again_unless_its_file_is_older_than_the_process(project: Path) -> None:
    sys.path.insert(0, str(project))
    import mine  # type: ignore[import-not-found]

    edit(project)
    assert mine.NUMBER == 1
    assert numbers(trainer.find("mine:train")) == [2, 2, 2]
    before = sys.modules["quadratic"] = __import__("quadratic")
    trainer.find("quadratic:train")  # a file of this repository
    assert sys.modules["quadratic"] is before


def test_a_function_that_is_wrapped_or_taken_from_elsewhere_has_the_digest_of_the_named_project(project: Path) -> None:
    """Before, the digest of `functools` stood for a trainer made by it."""
    text = "import functools\nA = {}\ndef f(a, params, report): return A\ntrain = functools.partial(f, 0)\n"
    (project / "wrapped.py").write_text(text.format(1))
    first = trainer.find("wrapped:train")
    (project / "wrapped.py").write_text(text.format(2))
    assert first.code != trainer.find("wrapped:train").code
    (project / "taken.py").write_text("import importlib\ntrain = importlib.import_module('mine').train\n")
    assert set(trainer.find("taken:train").source) == {"taken", "mine", "lib", "lib.helper", "lib.late"}
    assert trainer.find("taken:train").code == trainer.find("mine:train").code
