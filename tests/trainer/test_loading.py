"""What counts as a trainer's code where it lies in other folders than the trainer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.trainer import code_digest, planned_source, trainer

TRAIN = "def train(params, report): report(1, {'loss': helped()})\n"
HELPER = "def helped(): return 1\n"


@pytest.fixture
def places(two_folders: tuple[Path, Path]) -> Iterator[tuple[Path, Path]]:
    """The current folder, in which the trainer is, and one next to it, on the Python path, for what it imports."""
    yield two_folders
    planned_source.use({})
    for name in ("mine", "helper"):
        sys.modules.pop(name, None)


def test_a_module_on_the_python_path_is_code_of_the_trainer_that_imports_it(places: tuple[Path, Path]) -> None:
    """Before, a changed one left results of the old one under the same key."""
    here, other = places
    (here / "mine.py").write_text(f"import json, numpy\nfrom helper import helped\n{TRAIN}")
    (other / "helper.py").write_text(HELPER)
    first = trainer.find("mine:train")
    assert set(first.source) == {"mine", "helper"}
    (other / "helper.py").write_text(HELPER + "# a comment\n")
    assert trainer.find("mine:train").code == first.code
    (other / "helper.py").write_text(HELPER.replace("1", "2"))
    assert trainer.find("mine:train").code != first.code
    assert sys.modules["helper"].helped() == 2


def test_so_is_one_in_a_folder_that_the_trainer_puts_on_the_path_itself(places: tuple[Path, Path]) -> None:
    here, other = places
    sys.path.remove(str(other))
    (here / "mine.py").write_text(f"import sys\nsys.path.append('../other')\nfrom helper import helped\n{TRAIN}")
    (other / "helper.py").write_text(HELPER)
    first = trainer.find("mine:train")
    assert set(first.source) == {"mine", "helper"}
    (other / "helper.py").write_text(HELPER.replace("1", "2"))
    assert trainer.find("mine:train").code != first.code


def test_installed_packages_and_large_ones_are_none(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    here, other = places
    (here / "mine.py").write_text(f"import large.start\nfrom helper import helped\n{TRAIN}")
    (other / "helper.py").write_text(HELPER)
    (other / "large").mkdir()
    (other / "large" / "start.py").write_text("from large import one, two\n")
    for name in ("one", "two"):
        (other / "large" / f"{name}.py").write_text("")
    monkeypatch.setattr(code_digest, "LARGE", 2)
    assert set(trainer.find("mine:train").source) == {"mine", "helper"}
    (other / "helper-1.0.dist-info").mkdir()  # as `pip install --target` leaves it
    assert set(trainer.find("mine:train").source) == {"mine"}


def test_an_attribute_that_is_missing_while_a_module_is_imported_is_named_as_such(places: tuple[Path, Path]) -> None:
    """Before: module mine has no function train."""
    (places[0] / "mine.py").write_text(f"import json\njson.nope\n{TRAIN}")
    with pytest.raises(UsageError, match="importing it fails: AttributeError: module 'json' has no attribute 'nope'"):
        trainer.find("mine:train")
    (places[0] / "mine.py").write_text(TRAIN)
    with pytest.raises(UsageError, match=r"module mine has no function trian(.|\n)*did you mean train\?"):
        trainer.find("mine:trian")


def test_a_module_that_cannot_be_imported_is_named_with_its_line(places: tuple[Path, Path]) -> None:
    here = places[0]
    (here / "mine.py").write_text(f"import helper\n{TRAIN}")
    (here / "helper.py").write_text("VALUE = 1\nVALUE / 0\n")
    with pytest.raises(UsageError, match=r"ZeroDivisionError: division by zero\n  found: mine:train, at helper.py:2$"):
        trainer.find("mine:train")
    (here / "mine.py").write_text(f"\nfrom . import helper\n{TRAIN}")
    with pytest.raises(UsageError, match=r"attempted relative import(.|\n)*at mine.py:2\n.*name it here.mine:train$"):
        trainer.find("mine:train")


def test_a_function_that_its_module_makes_when_it_is_asked_for_may_fail(places: tuple[Path, Path]) -> None:
    (places[0] / "mine.py").write_text(f"def __getattr__(name):\n    1 / 0\n{TRAIN}")
    with pytest.raises(UsageError, match=r"importing it fails: ZeroDivisionError(.|\n)*at mine.py:2$"):
        trainer.find("mine:other")
