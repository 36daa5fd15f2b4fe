"""Files that change while a sweep runs on Ray: a result is filed under what made it, or is none."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CommandResult, Sweeper

pytestmark = pytest.mark.ray

TRAINER = """\
import os, pathlib
def train(params, report):
    from helper import factor
    if params["x"] == 2 and not pathlib.Path("died").exists():
        pathlib.Path("died").touch()
        os.kill(os.getpid(), 9)
    report(1, {"score": 1.0 * factor})
"""
SWEEP = """\
name: toy
trainer: mine:train
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2, 3, 4]}}
"""


def run_and(folder: Path, when: str, act: Callable[[], None]) -> CommandResult:
    """`sweeper run toy.yaml` on Ray; `act` is called once its ledger has an entry of the kind `when`."""
    command = [sys.executable, "-m", "sweeper", "run", "toy.yaml"]
    driver = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ledger, deadline = folder / "results" / "toy" / "ledger.jsonl", time.monotonic() + 90
    while not (ledger.exists() and f'"e":"{when}"' in ledger.read_text()):
        assert time.monotonic() < deadline, "the run did not come that far"
        time.sleep(0.02)
    act()
    out, err = driver.communicate(timeout=120)
    return CommandResult(driver.returncode, out, err)


def write(path: Path, text: str) -> None:
    path.write_text(text)


def table(said: CommandResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(said.out)))


def test_code_that_is_edited_while_ray_starts_or_trains_makes_no_result_of_this_run(
    folder: Path, sweeper: Sweeper
) -> None:
    (folder / "toy.yaml").write_text(SWEEP)
    (folder / "mine.py").write_text(TRAINER)
    (folder / "helper.py").write_text("factor = 1.0\n")

    def edit() -> None:
        (folder / "mine.py").write_text(TRAINER.replace("1.0", "2.0"))
        (folder / "helper.py").write_text("factor = 2.0\n")

    said = run_and(folder, "run", edit)
    assert said.code == 0, said.err
    assert (folder / "died").exists()  # so one worker was started long after the edit
    assert [row["score"] for row in table(sweeper("export", "toy"))] == ["1.0"] * 4
    planned = sweeper("plan", "toy.yaml", "--json").json()
    assert (planned["cached"], planned["stale"]) == (0, 4)


def test_data_that_change_while_a_sweep_runs_make_no_result_and_the_next_run_trains_with_them(
    folder: Path, sweeper: Sweeper
) -> None:
    (folder / "toy.yaml").write_text(SWEEP)
    (folder / "mine.py").write_text(
        "import time\ndef train(params, report):\n    report(1, {'score': float(open('data.csv').read())})\n"
        "    time.sleep(0.5)\ntrain.data = ['data.csv']\n"
    )
    (folder / "data.csv").write_text("1.0")
    said = run_and(folder, "start", lambda: write(folder / "data.csv", "2.0"))
    assert said.code == 4
    assert "data file data.csv has another content" in said.err
    assert said.err.strip().endswith("continue with: sweeper run toy.yaml")
    assert "completed" not in {row["state"] for row in table(sweeper("export", "toy"))}
    assert sweeper("run", "toy.yaml", "--runner", "inprocess").code == 0
    assert [row["score"] for row in table(sweeper("export", "toy"))] == ["2.0"] * 4
