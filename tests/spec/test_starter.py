from __future__ import annotations

import re
from pathlib import Path

import pytest

from sweeper.errors import SpecError
from sweeper.spec.load import load_spec, starter
from tests.spec.sweep_texts import points, written


@pytest.mark.parametrize("name", ["mine", "2024", "1e3", "true", "a b", "null"])
def test_a_new_file_loads_without_warnings_under_its_name(tmp_path: Path, name: str) -> None:
    sweep = load_spec(written(tmp_path, starter(name)))
    assert (sweep.name, sweep.warnings) == (name, ())
    assert len(points(tmp_path, starter(name))) == 4


def test_its_commented_lines_are_valid_too(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^( *)# (?=loss|train|where|budget|resources|expect|  - |    )", r"\1", starter("x"))
    sweep = load_spec(written(tmp_path, text))
    assert (len(sweep.space.parameters), len(sweep.space.where), sweep.budget.trials) == (3, 1, 200)


def test_a_name_that_is_no_folder_is_refused() -> None:
    with pytest.raises(SpecError, match="a-b would do"):
        starter("a/b")
