"""`sweeper.open`: loops that train trials themselves, in cells and files, left in every way and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sweeper
from sweeper.errors import ContractError
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.commands import alone
from sweeper.trial import Record
from tests.api.cells import Cells

LOOP = """
import os, signal, random
import sweeper
def loss(x):
    return x * x
asked = []
trials = sweeper.open(space, quiet=True)
for trial in trials:
    asked.append(trial.params["x"])
    trial.report(1, {"loss": loss(trial.params["x"]), "draw": random.random()})
    BODY
"""
SPACE: dict[str, Any] = {"name": "toy", "metric": {"name": "loss", "goal": "minimize"}}
SPACE |= {"parameters": {"x": {"values": [1, 2, 3]}}}


@pytest.fixture
def notebook(folder: Path) -> Iterator[Cells]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not what an earlier test left
    cells = Cells()
    cells.variables["space"] = SPACE
    yield cells
    signal.signal(signal.SIGINT, before)


def cell(body: str = "pass") -> str:
    return LOOP.replace("BODY", body)


def records() -> list[Record]:
    return read_history(SweepDir(Path("results"), "toy")).planned()


def states() -> list[str]:
    return [str(record.state) for record in records()]


def log(record: Record) -> str:
    return (Path("results/toy/trials") / record.trial.key / "log.txt").read_text()


def test_a_loop_trains_what_has_no_result_and_again_nothing(notebook: Cells) -> None:
    trials = notebook.run(cell())["trials"]
    assert (notebook.variables["asked"], states()) == ([1, 2, 3], ["completed"] * 3)
    results = trials.results
    assert (results.outcome.exit_code.name, list(results.configs["loss.mean"])) == ("OK", [1.0, 4.0, 9.0])
    assert len(set(results.trials["draw"])) == 1  # the generators begin from the trial's seed
    assert records()[0].trial.trainer == "loop: notebook"
    assert alone(Path("toy.yaml"), records()[0].trial) == ""  # no command trains it again
    assert (notebook.run(cell())["asked"], notebook.run("len(trials.results.trials)")["asked"]) == ([], [])
    notebook.variables["space"] = {**SPACE, "parameters": {"x": {"values": [1, 2, 3, 4]}}}
    assert notebook.run(cell() + "print('other cells and the space may change')\n")["asked"] == [4]
    assert notebook.run(cell().replace("x * x", "x + x"))["asked"] == []  # stale: kept
    stale = cell().replace("x * x", "x + x").replace("quiet=True", "quiet=True, rerun='stale'")
    assert notebook.run(stale)["asked"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("body", "error", "state", "said"),
    [
        ("raise ValueError('bad luck')", ValueError, "failed", "ValueError: bad luck"),
        ("{}['gone']", KeyError, "failed", "an exception left the loop|KeyError"),
        ("trial.report(-1, {})", ContractError, "failed", "trainer contract: report"),
        ("raise FloatingPointError('it blew up')", FloatingPointError, "diverged", "it blew up"),
        ("os.kill(os.getpid(), signal.SIGINT)", KeyboardInterrupt, "pending", ""),
        ("exit()", SystemExit, "pending", ""),
        ("break", None, "pending", ""),
    ],
)
def test_a_loop_that_is_left_says_what_became_of_its_trial(
    body: str,
    error: type[BaseException] | None,
    state: str,
    said: str,
    notebook: Cells,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEAVE", "yes")  # what is read elsewhere is no part of the code
    body = f"if os.environ.get('LEAVE') and trial.params['x'] == 2: {body}"
    if error is None:
        notebook.run(cell(body))
    else:
        with pytest.raises(error) as raised:
            notebook.run(cell(body))
        assert raised.value.__context__ is None
        assert all(
            "sweeper/api/asked.py" not in str(entry.path) or error is ContractError for entry in raised.traceback
        )
    assert states() == ["completed", state, "pending"]
    one = records()[1]
    if one.ended:
        assert any(text in one.ended.reason for text in said.split("|"))
    if state == "failed" and error is not ContractError:
        assert "Traceback (most recent call last)" in log(one)
        assert "ipykernel_0" in log(one)
    monkeypatch.delenv("LEAVE")
    assert notebook.run(cell(body))["asked"] == ([2, 3] if state == "pending" else [3])
    again = cell(body).replace("quiet=True", "quiet=True, rerun='failed'")
    assert notebook.run(again)["asked"] == ([2] if state == "failed" else [])


def test_an_error_in_a_function_that_the_loop_calls_has_its_frames(
    notebook: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = cell("step()").replace("def loss", "def step():\n    return int('x')\ndef loss")
    shown: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: shown.append(error))
    with pytest.raises(ValueError, match="invalid literal") as raised:
        notebook.run("try:\n    pass\nfinally:\n    pass\n" + text)
    sys.excepthook(raised.type, raised.value, raised.tb)  # as Python does at the end of a program
    assert (len(shown), "return int('x')" in log(records()[0])) == (1, True)
    assert "ValueError: invalid literal" in log(records()[0])
    assert "return int('x')" in str(records()[0].ended and records()[0].ended.reason)  # type: ignore[union-attr]


def test_pruned_and_diverged_trials_are_over(notebook: Cells) -> None:
    notebook.variables["space"] = {
        **SPACE,
        "early_terminate": {"type": "median", "startup_trials": 1, "min_steps": 1},
        "parameters": {"x": {"values": [1, 2, "nan"]}},
    }
    text = """
    import sweeper
    steps = []
    for trial in sweeper.open(space, quiet=True):
        for step in range(1, 4):
            if not trial.report(step, {"loss": float(trial.params["x"])}):
                break
            steps.append(step)
        assert trial.report(9, {"loss": 0}) == (trial.params["x"] == 1)
    """
    assert notebook.run(text)["steps"] == [1, 2, 3]
    assert states() == ["completed", "pruned", "diverged"]


def test_a_checkpoint_of_a_loop_is_there_again(notebook: Cells) -> None:
    text = """
    import numpy as np
    import sweeper
    began = []
    for trial in sweeper.open(space, quiet=True):
        saved = trial.checkpoint.load()
        began.append(saved[1]["step"] if saved else 0)
        for step in range(began[-1] + 1, 4):
            trial.report(step, {"loss": 1.0})
            trial.checkpoint.save(step, {"w": np.ones(2)}, {"step": step})
            if step == 2 and stops:
                raise KeyboardInterrupt
    """
    notebook.variables["stops"] = True
    with pytest.raises(KeyboardInterrupt):
        notebook.run(text)
    notebook.run(text.replace("and stops", "and False"))
    assert notebook.variables["began"] == [0, 0, 0]  # other code, other trials
    notebook.run(text.replace("and stops", "and False").replace("space,", "{**space, 'seeds': 2},"))
    assert states().count("completed") == 6


def test_a_search_asks_by_what_was_reported(notebook: Cells) -> None:
    notebook.variables["space"] = {
        **SPACE, "method": "tpe", "budget": {"trials": 4}, "parameters": {"x": {"min": 0.0, "max": 1.0}}
    }  # fmt: skip
    assert len(notebook.run(cell())["asked"]) == 4
    assert notebook.run(cell())["asked"] == []


def test_what_trains_has_to_be_known_or_declared(notebook: Cells, toy: Path) -> None:
    with pytest.raises(sweeper.SweeperError, match="names another trainer\n  found: quadratic:train"):
        sweeper.open(toy)
    notebook.run("import sweeper\nfor trial in sweeper.open('toy', trainer='quadratic:train', quiet=True):\n"
                 "    trial.report(1, {'loss': 0.5})\n")  # fmt: skip
    assert sweeper.plan(toy).to_run == []  # filed under the trainer that was declared
    with pytest.raises(sweeper.SweeperError, match="the code of this loop cannot be found"):
        list(sweeper.open({**SPACE, "name": "other"}))
    with pytest.raises(sweeper.SweeperError, match="not ended yet"):
        _ = sweeper.open({**SPACE, "name": "other"}).results
    notebook.run("handle = open('toy.yaml')\ndef read():\n    return handle.read()")
    with pytest.raises(sweeper.SweeperError, match="handle has no content that can be read"):
        notebook.run("for trial in sweeper.open({**space, 'name': 'other'}): read()")
    notebook.variables["handle"].close()
    assert not Path("results/other").exists()


SCRIPT = """
import sweeper
from sweeper.execution import run
from tests.api.conftest import NoMirror
run.Mirror = NoMirror
def main():
    for number, trial in enumerate(sweeper.open({"name": "own", "parameters": {"x": {"values": [1, 2, 3]}}})):
        trial.report(1, {"loss": trial.params["x"]})
        if number == 1:
            for other in sweeper.open({"name": "own", "parameters": {"x": {"values": [1, 2, 3, 4]}}}):
                pass
main()
"""


def test_a_sweep_that_a_loop_has_open_is_locked_and_a_script_shows_its_trials(folder: Path) -> None:
    (folder / "own.py").write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "own.py"], cwd=folder, capture_output=True, text=True, timeout=200, env=env)
    assert "[1/3] completed  x=1 seed=0" in done.stderr
    assert "LedgerError: results/own: this sweep is being run already" in done.stderr.replace(f"{folder}/", "")
    found = read_history(SweepDir(Path("results"), "own")).planned()
    assert [str(record.state) for record in found] == ["completed", "failed", "pending"]
    assert found[0].trial.trainer == "loop: own.py"
