"""Every Markdown page: its links, its sweep files, its tables and quoted output."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from sweeper.cli.app import COMMANDS
from sweeper.planning.configurations import configurations
from sweeper.spec.load import load_spec
from tests.conftest import Sweeper
from tests.readme_keys import key_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split()]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_table_of_keys_is_the_schemas() -> None:
    page = (ROOT / "search_spaces" / "README.md").read_text()
    shown = re.search(r"test_readme.py -->\n(.*)\n<!-- end of keys -->", page, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == key_table().strip()


def test_the_table_of_benchmarks_is_the_one_last_measured() -> None:
    page = (ROOT / "tests" / "benchmarks" / "README.md").read_text()
    shown = re.search(r"test_readme.py -->\n([^<]*)\n<!-- end of benchmarks -->", page)
    assert shown is not None
    assert shown[1].strip() == (ROOT / "results" / "benchmarks" / "table.md").read_text().strip()


def test_every_command_is_in_the_readme() -> None:
    assert [command for command in COMMANDS if f"`sweeper {command}" not in README] == []


def test_the_verdicts_in_the_readme_are_those_that_verify_prints(sweeper: Sweeper) -> None:
    quoted = README.split("on the published results:\n\n```\n")[1].split("```")[0].splitlines()
    printed = sweeper("verify", "token_weighted", "--results", ROOT / "results" / "published").out
    assert len(quoted) == 6
    assert [line for line in quoted if line not in printed.splitlines()] == []


def test_every_module_that_the_map_names_is_there() -> None:
    tree = (ROOT / ".github" / "CONTRIBUTING.md").read_text().split("## The map of the code")[1].split("```")[1]
    named = re.findall(r"\b([a-z_]+\.py)\b", tree) + re.findall(r"^  (?:  )?([a-z_]+)/", tree, re.MULTILINE)
    assert len(named) > 15
    assert [name for name in named if not list((ROOT / "sweeper").rglob(name))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("block", [block for page in PAGES for block in BLOCK.findall(page.read_text())])
def test_every_sweep_file_of_a_page_is_valid(block: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(block)
    found = configurations(load_spec(tmp_path / "x.yaml"))
    assert found.points or not found.complete


def test_the_sweep_file_of_the_page_is_a_file_that_is_there() -> None:
    page = (ROOT / "search_spaces" / "README.md").read_text()
    shown = re.search(r"search_spaces/weights.yaml`:\n\n```yaml\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    assert (ROOT / "search_spaces" / "weights.yaml").read_text().partition("\n")[2] == shown[1]
