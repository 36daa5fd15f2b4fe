from __future__ import annotations

import re
from pathlib import Path

import pytest

from sweeper.cli.app import VERBS
from sweeper.spec import load
from tests.readme_keys import key_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_table_of_keys_is_the_schemas() -> None:
    shown = re.search(r"test_readme.py -->\n(.*)\n<!-- end of keys -->", README, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == key_table().strip()


def test_the_table_of_benchmarks_is_the_one_last_measured() -> None:
    shown = re.search(r"test_readme.py -->\n([^<]*)\n<!-- end of benchmarks -->", README)
    assert shown is not None
    assert shown[1].strip() == (ROOT / "results" / "benchmarks" / "table.md").read_text().strip()


def test_every_verb_is_in_the_readme() -> None:
    assert [verb for verb in VERBS if f"`sweeper {verb}" not in README] == []


def test_every_module_that_the_tree_names_is_there() -> None:
    tree = README.split("## How it is built")[1]
    named = re.findall(r"\b([a-z_]+\.py)\b", tree) + re.findall(r"^  (?:  )?([a-z_]+)/", tree, re.MULTILINE)
    assert len(named) > 15
    assert [name for name in named if not list((ROOT / "sweeper").rglob(name))] == []


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_every_sweep_file_of_the_readme_is_valid(block: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(block)
    assert list(load.configurations(load.load(tmp_path / "x.yaml")).points)


def test_the_sweep_file_of_the_readme_is_a_file_that_is_there() -> None:
    shown = re.search(r"search_spaces/weights.yaml`:\n\n```yaml\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert (ROOT / "search_spaces" / "weights.yaml").read_text().partition("\n")[2] == shown[1]
