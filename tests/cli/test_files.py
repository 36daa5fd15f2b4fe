"""Files by name, `init`, the version, what the shell completes, and a folder full of unlucky names."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from sweeper.spec.files import find_file, names
from tests.conftest import QUADRATIC, Sweeper
from tests.execution.runs import train

UNLUCKY = ("cmd", "code", "types", "enum", "random", "json", "queue", "token", "select")
MINE = 'def train(params, report):\n    report(1, {"loss": (params["x"] - 1) ** 2})\n'


def test_a_file_is_found_as_given_then_by_its_name_here_then_among_those_that_come_with_sweeper(folder: Path) -> None:
    assert find_file(Path("mar17")).read_text().startswith("#")
    Path("search_spaces").mkdir()
    Path("search_spaces/mar17.yaml").write_text("ours")
    assert find_file(Path("mar17")) == Path("search_spaces/mar17.yaml")
    Path("mar17.yaml").write_text("nearer")
    assert find_file(Path("mar17")) == Path("mar17.yaml")
    assert find_file(Path("missing.yaml")) == Path("missing.yaml")
    assert {"grid", "mar17", "jsd"} <= set(names())


def test_init_writes_the_schema_that_its_file_names(folder: Path, sweeper: Sweeper) -> None:
    assert sweeper("init", "mine").code == 0
    assert "sweeper.schema.json" in Path("mine.yaml").read_text()
    assert Path("sweeper.schema.json").read_text() == sweeper("schema").out
    assert sweeper("init", "mine").code == 2


@pytest.mark.parametrize("origin", ["mar17", "jsd_mean"])
def test_init_copies_a_file_that_comes_with_sweeper(folder: Path, sweeper: Sweeper, origin: str) -> None:
    assert sweeper("init", "mine", "--from", origin).code == 0
    assert sweeper("validate", "mine.yaml").code == 0
    assert "extends:" not in Path("mine.yaml").read_text()
    assert '"sweep": "mine"' in sweeper("plan", "mine", "--json").out


def test_the_version(sweeper: Sweeper) -> None:
    assert sweeper("--version").out == f"sweeper {version('sweeper')}\n"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("sweeper plan toy", "toy.yaml"),
        ("sweeper plan toy x", "x="),
        ("sweeper status ", "toy"),
        ("sweeper export toy --columns state,lo", "state,loss"),
        ("sweeper plot toy --metric lo", "loss"),
        ("sweeper plot toy --x ", "x"),
        ("sweeper show nothing ", ""),
    ],
)
def test_the_shell_completes(toy: Path, line: str, found: str) -> None:
    train(toy)
    env = {**os.environ, "_SWEEPER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run([Path(sys.executable).with_name("sweeper")], env=env, capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == found
    assert done.stderr == ""


@pytest.fixture
def unlucky(folder: Path) -> Path:
    """A sweep file with its trainer in a folder whose other files have the names of Python's modules."""
    home = folder / "home"
    home.mkdir()
    for name in UNLUCKY:
        (home / f"{name}.py").write_text("raise RuntimeError('imported in place of Python\\'s own')\n")
    (home / "own_trainer.py").write_text(MINE)
    text = QUADRATIC.replace("quadratic:train", "own_trainer:train").replace("[1, 2, 3, 4]", "[1, 2]")
    (home / "toy.yaml").write_text(text)
    return home


@pytest.mark.parametrize("runner", ["inprocess", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_users_files_do_not_stand_for_modules_of_python(unlucky: Path, runner: str) -> None:
    os.chdir(unlucky)
    words: list[str | Path] = [
        Path(sys.executable).with_name("sweeper"),
        "run",
        "toy",
        "--runner",
        runner,
        "--json",
        "--quiet",
    ]
    done = subprocess.run(words, cwd=unlucky, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"completed": 2' in done.stdout


def test_python_m_sweeper_imports_nothing_from_the_current_folder(toy: Path, new_sweeper: Sweeper) -> None:
    """But for the modules that `python -m` needs to find any program."""
    found = subprocess.run([sys.executable, "-c", "import runpy, sys; print(*sys.modules)"], stdout=-1, text=True)
    packages = {"google", "pydantic", "pydantic_core", "rich", "ruamel", "scipy", "typer", "yaml"}
    for name in (sys.stdlib_module_names | packages) - set(found.stdout.split()):
        if find_spec(name):
            Path(f"{name}.py").write_text(f"raise SystemExit('{name} of the user')\n")
    said = new_sweeper("plan", toy)
    assert said.code == 0, said.err


def test_a_trainer_beside_its_file_is_found_from_any_folder(unlucky: Path, new_sweeper: Sweeper) -> None:
    assert new_sweeper("run", "home/toy.yaml", "--runner", "inprocess").code == 0


def test_nothing_is_imported_from_a_results_folder(unlucky: Path, new_sweeper: Sweeper) -> None:
    (unlucky / "ledger.jsonl").write_text("")
    said = new_sweeper("validate", "home/toy.yaml")
    assert (said.code, "own_trainer" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("metric: {name: loss, goal: max}", "did you mean maximize?"),
        ("trainer: CVAE", "did you mean cvae?"),
        ("trainer: mine", "a function of a module of your own: mine:train"),
        ("budget: 2h", "budget: {wall: 2h}"),
        ("budget: 20", "budget: {trials: 20}"),
        ("name: Größe/1", '"Größe/1"'),
        ("name: Größe", "Grosse would do"),
    ],
)
def test_hints_say_what_was_meant(toy: Path, sweeper: Sweeper, line: str, hint: str) -> None:
    key = line.partition(":")[0]
    rest = [row for row in QUADRATIC.splitlines() if not row.startswith(f"{key}:")]
    toy.write_text("\n".join([*rest, line]) + "\n")
    said = sweeper("validate", toy)
    assert (said.code, hint in said.err) == (2, True), said.err


def test_one_is_singular(toy: Path, sweeper: Sweeper) -> None:
    assert "1 configuration x 1 seed = 1 trial" in sweeper("plan", toy, "x=1").out
