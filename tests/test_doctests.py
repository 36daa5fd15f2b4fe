"""The examples in docstrings are true: each is run, in a folder with a sweep file and the published results."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "sweeper").rglob("*.py")
    if "    >>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str, toy: Path) -> None:
    Path("search_spaces").symlink_to(ROOT / "search_spaces")
    Path("results").mkdir()
    Path("results/published").symlink_to(ROOT / "results/published")
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert done.attempted > 0
    assert done.failed == 0
