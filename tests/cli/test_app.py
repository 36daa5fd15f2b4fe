from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeper.__main__ import main
from sweeper.cli.app import app
from sweeper.errors import SweeperError
from tests.conftest import QUADRATIC, Sweeper
from tests.execution.runs import train


def snapshot(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


BAD_FILES = {
    "an unknown key": (QUADRATIC + "sedes: 3\n", ["toy.yaml:7", "sedes", "seeds"]),
    "a wrong type": (QUADRATIC + "seeds: many\n", ["toy.yaml:7", "seeds", "many"]),
    "bounds out of order": (
        QUADRATIC.replace("values: [1, 2, 3, 4]", "min: 2, max: 1, points: 3"),
        ["toy.yaml:6", "x"],
    ),
    "an empty file": ("", ["toy.yaml", "empty"]),
    "a list at the top": ("- name: toy\n", ["toy.yaml", "list"]),
    "ten megabytes": ("# " + "x" * 10_000_000, ["toy.yaml", "too large"]),
    "a setting the trainer lacks": (QUADRATIC.replace("x:", "y:"), ["toy.yaml:6", "y", "no such setting"]),
    "a trainer that is not there": (QUADRATIC.replace("quadratic", "cubic"), ["trainer", "cubic"]),
    "a GPU where there is none": (QUADRATIC + "resources: {gpu: 1}\n", ["toy.yaml:7", "resources.gpu", "0 here"]),
    "more cores than there are": (QUADRATIC + "resources: {cpu: 4096}\n", ["toy.yaml:7", "resources.cpu", "4096"]),
    "a name that leaves the folder": (QUADRATIC.replace("name: toy", "name: ../toy"), ["toy.yaml:1", "name", "../toy"]),
    "no trainer": (QUADRATIC.replace("trainer: quadratic:train\n", ""), ["trainer", "cvae"]),
    "a search without an end": (QUADRATIC.replace("grid", "tpe"), ["toy.yaml:4", "budget", "needs a budget"]),
    "a searcher that cannot serve the space": (
        QUADRATIC.replace("quadratic:train", "naughty:raises")
        .replace("grid", "cmaes")
        .replace("[1, 2, 3, 4]", "[a, b]")
        + "budget: {trials: 2}\n",
        ["cmaes", "tpe"],
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_before_anything_is_made(case: str, toy: Path, sweeper: Sweeper) -> None:
    text, words = BAD_FILES[case]
    toy.write_text(text)
    before = snapshot(Path.cwd())
    said = sweeper("run", toy, CUDA_VISIBLE_DEVICES="")
    assert said.code == 2, said.err
    assert "Traceback" not in said.err
    assert said.err.count("\n") <= 6
    assert [word for word in words if word not in said.err] == []
    assert snapshot(Path.cwd()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "missing.yaml"], "no such file"),
        (["run", "."], "folder"),
        (["run", "toy.yaml", "x=one"], "a number, as its default"),
        (["run", "toy.yaml", "seed=3"], "seeds"),
        (["run", "toy.yaml", "--runner", "slurm"], "slurm"),
        (["run", "toy.yaml", "--results", "toy.yaml"], "toy.yaml is a file"),
        (["run", "toy.yaml", "--address", "127.0.0.1:1"], "no Ray cluster answers"),
        (["run", "toy.yaml", "--address", "nonsense"], "not the address of a Ray cluster"),
        (["export", "nothing"], "no such sweep"),
        (["export", "../.."], "not the name of a sweep"),
        (["ui"], "store"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_bad_usage_is_exit_code_2_without_a_traceback(
    words: list[str], message: str, toy: Path, sweeper: Sweeper
) -> None:
    said = sweeper(*words)
    assert said.code == 2, said.err
    assert "Traceback" not in said.err
    assert message in said.err
    assert not Path("results").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_results_folder_that_cannot_be_written_is_refused(toy: Path, sweeper: Sweeper) -> None:
    Path("locked").mkdir(mode=0o500)
    said = sweeper("run", toy, "--results", "locked")
    assert (said.code, "cannot be written" in said.err) == (2, True)


def test_a_finished_sweep_in_a_read_only_folder_has_nothing_to_write(
    toy: Path, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy, of which MLflow has other addresses; root may write everywhere, unless asked whether it may."""
    assert sweeper("run", toy, "--runner", "inprocess").code == 0
    Path("results").rename("kept")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and mode != os.W_OK | os.X_OK)
    before = {path: path.stat().st_mtime_ns for path in Path("kept").rglob("*")}
    done = CliRunner().invoke(app, ["run", "toy.yaml", "--results", "kept"])
    assert (done.exit_code, "every trial is done already" in done.stderr) == (0, True)
    with pytest.raises(SweeperError, match="cannot be written"):
        CliRunner().invoke(app, ["run", "toy.yaml", "x=7", "--results", "kept"], catch_exceptions=False)
    assert before == {path: path.stat().st_mtime_ns for path in Path("kept").rglob("*")}


def test_a_read_only_file_system_is_refused(toy: Path, sweeper: Sweeper) -> None:
    said = sweeper("run", toy, "--results", "/proc/results")
    assert said.code == 2
    assert "/proc" in said.err
    assert "Traceback" not in said.err


def test_validate_lists_every_problem_of_every_file(toy: Path, sweeper: Sweeper) -> None:
    Path("bad.yaml").write_text("nmae: x\nmethod: grit\n")
    said = sweeper("validate", toy, "bad.yaml")
    assert said.code == 2
    assert "bad.yaml:1" in said.err
    assert "bad.yaml:2" in said.err


def test_validate_json_is_one_document(toy: Path, sweeper: Sweeper) -> None:
    assert sweeper("validate", toy, "--json").json()["valid"] is True


def test_plan_json_has_what_the_contract_names(toy: Path, sweeper: Sweeper) -> None:
    document = sweeper("plan", toy, "seeds=2", "--json").json()
    wanted = (
        "schema_version sweep method configs seeds trials cached to_run failed_before removed_by_where packs estimate"
    )
    assert set(wanted.split()) <= set(document)
    assert (document["configs"], document["seeds"], document["trials"], document["to_run"]) == (4, 2, 8, 8)


def test_list_shows_the_sweeps(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    (row,) = sweeper("list", "--json").json()["sweeps"]
    assert (row["name"], row["state"], row["done"], row["failed"], row["left"]) == ("toy", "finished", 4, 0, 0)
    assert "toy" in sweeper("list").out


def test_export_is_the_same_bytes_twice(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    first, second = sweeper("export", "toy"), sweeper("export", "toy")
    assert first.out == second.out
    assert first.out.count("\n") == 5


def test_export_takes_the_path_of_a_sweep(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    assert sweeper("export", "results/toy").out == sweeper("export", "toy").out


def test_a_closed_pipe_is_not_an_error(toy: Path, sweeper: Sweeper) -> None:
    import subprocess
    import sys

    train(toy)
    command = f"{sys.executable} -m sweeper export toy --level curve | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_init_writes_a_file_that_plans_and_keeps_one_that_is_there(folder: Path, sweeper: Sweeper) -> None:
    assert sweeper("init", "mine").code == 0
    assert sweeper("plan", "mine.yaml").code == 0
    again = sweeper("init", "mine")
    assert (again.code, "exists" in again.err) == (2, True)


def test_an_internal_error_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("sweeper.cli.app.app", broken)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert "--debug" in capfd.readouterr().err


def test_ctrl_c_is_handled_before_the_slow_imports() -> None:
    code = "import sys, sweeper.__main__; print('sweeper.cli.app' in sys.modules, 'typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


PLACES = [
    "sweeper.planning.sweep_trainer.find_trainer",
    "sweeper.planning.plan.make",
    "sweeper.execution.preflight.check",
    "sweeper.execution.run.nothing_left",
    "sweeper.cli.terminal.progress.Screen.__enter__",
    "sweeper.execution.run.run",
    "sweeper.cli.run._judged",
    "sweeper.cli.terminal.summary.print_finished",
]


@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_run_is_interrupted_its_last_line_continues_it(
    place: str, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the run itself handles no signal; whether there is something to continue is said before."""

    def interrupted(*_: object, **__: object) -> None:
        sys.exit(130)

    command = ["run", str(toy), "--runner", "inprocess"]
    with monkeypatch.context() as patch:
        patch.setattr(place, interrupted)
        first = CliRunner().invoke(app, command)
    if not Path("results/toy").exists():
        assert first.stderr.splitlines()[-2] == "nothing was started yet"
        train(toy)
    monkeypatch.setattr(place, interrupted)
    again = CliRunner().invoke(app, command)
    for ended in (first, again):
        assert ended.exit_code == 130
        assert ended.stderr.splitlines()[-1] == "continue with: sweeper run toy.yaml --runner inprocess"
    assert "nothing was started" not in again.stderr


def test_python_does_not_search_everything_for_garbage_as_it_ends() -> None:
    code = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 0));"
        "sys.argv = ['sweeper', '--version']; from sweeper.__main__ import main; main()"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split()[-1] == "True"
