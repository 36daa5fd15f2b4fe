"""A results folder from a stranger: no command reads or writes through a symbolic link that leads out of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeper.cli.app import app
from sweeper.cli.terminal import console
from tests.conftest import QUADRATIC
from tests.execution.runs import train

SECRET = "a-secret-outside-of-the-results"
COMMANDS = [
    ["list"], ["status", "toy"], ["show", "toy", "KEY"], ["export", "toy"], ["export", "toy", "--level", "curve"],
    ["verify", "toy"], ["report", "toy"], ["plot", "toy", "seeds", "--format", "png"], ["gc", "--yes"],
    ["plan", "toy.yaml"], ["sync", "toy"],
]  # fmt: skip
CLAIM = "expect: [{name: n, metric: loss, against: {table: ref.csv, tolerance: 1}}]\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of one trial that has run, and its results."""
    folder = tmp_path_factory.mktemp("stranger")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "trainers"))
        patch.chdir(folder)
        (folder / "ref.csv").write_text("x,loss.mean\n1,0\n")
        (folder / "toy.yaml").write_text(QUADRATIC.replace("[1, 2, 3, 4]", "[1, 2]") + CLAIM + "seeds: 2\n")
        train(Path("toy.yaml"))
    return folder


@pytest.fixture(autouse=True)
def _news_go_where_results_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer's runner has no file behind its standard error."""
    monkeypatch.setattr("sweeper.cli.terminal.console.news", console.results)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


FOLDERS = ["toy", "toy/plots", "toy/trials", "toy/trials/KEY", "toy/trials/KEY/checkpoints", "mlartifacts"]
FILES = [
    f"toy/{name}"
    for name in ("sweep.yaml", "ledger.jsonl", "curves.jsonl", "lock", "steps.json", "report.html", "ref.csv")
]


@pytest.mark.parametrize("name", [*FOLDERS, *FILES, "toy/trials/KEY/log.txt", "mlflow.db"])
def test_a_link_that_leads_out_is_neither_read_nor_written_through(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(finished, home := tmp_path / "home")
    key = min(path.name for path in (home / "results" / "toy" / "trials").iterdir())
    place = home / "results" / name.replace("KEY", key)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    target = elsewhere / "target"
    if name in FOLDERS:
        shutil.copytree(place, target) if place.exists() else target.mkdir()
        shutil.rmtree(place, ignore_errors=True)
        for file in ("log.txt", "seeds-loss.png"):
            (target / file).write_text(SECRET)
    else:
        target.write_text(SECRET)
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    before = contents(elsewhere)
    monkeypatch.chdir(home)
    said = [CliRunner().invoke(app, [word.replace("KEY", key) for word in command]) for command in COMMANDS]
    assert contents(elsewhere) == before
    written = [path.read_bytes() for path in home.rglob("*") if path.is_file() and path.resolve() != target]
    assert not any(SECRET.encode() in data for data in written)
    assert not any(SECRET in one.output for one in said)


def test_the_message_names_the_link_and_what_to_do(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, home := tmp_path / "home")
    spec = home / "results" / "toy" / "sweep.yaml"
    spec.unlink()
    spec.symlink_to("/etc/hostname")
    monkeypatch.chdir(home)
    error = CliRunner().invoke(app, ["report", "toy"]).exception
    assert "results/toy/sweep.yaml: leads out of the results folder" in str(error)
    assert "remove the link" in str(error)


def test_a_linked_results_folder_is_an_ordinary_one(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished / "results", tmp_path / "disk")
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["export", "toy"]).output.count("completed") == 4


def test_the_file_of_a_run_extends_no_other(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished, home := tmp_path / "home")
    spec = home / "results" / "toy" / "sweep.yaml"
    (tmp_path / "other.yaml").write_text("description: mine\n")
    spec.write_text(f"extends: {tmp_path}/other.yaml\n{spec.read_text()}")
    monkeypatch.chdir(home)
    assert "extends no other" in str(CliRunner().invoke(app, ["verify", "toy"]).exception)
    assert CliRunner().invoke(app, ["status", "toy"]).exit_code == 0
