"""Commands as trainers: what a program is given, what it reports, how it ends, and what it leaves behind."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trainer import program
from tests.conftest import CommandResult, Sweeper
from tests.execution import runs

TRAIN = """\
import argparse, json, os, sys, helper
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--text")
parser.add_argument("--seed", type=int, default=7)
given = parser.parse_args()
print("began", json.dumps(given.text), os.environ["SWEEPER_SEED"])
print('{"level": "info"}')
for step in (1, 2, 3):
    print(json.dumps({"step": step, "loss": given.lr / step + helper.SHIFT, "seed_given": given.seed, "note": "x"}))
print('{"loss": NaN', file=sys.stderr)
if given.lr > 1:
    raise ValueError("lr is too large")
"""
OWN = """\
name: own
trainer: {command: ["${interpreter}", train.py, "${args}"]}
metric: {name: loss, goal: minimize}
base: {text: "$(touch owned) `touch owned`; 'a' \\"b\\""}
parameters:
  lr: {values: [0.5, 2]}
seeds: 1
retry: {max: 0}
"""


@pytest.fixture
def files(folder: Path) -> Path:
    (folder / "train.py").write_text(TRAIN)
    (folder / "helper.py").write_text("SHIFT = 0.25\n")
    (folder / "own.yaml").write_text(OWN)
    return folder


def rows(exported: CommandResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported.out)))


def test_a_program_is_trained_failed_kept_and_not_run_again(files: Path, sweeper: Sweeper) -> None:
    ran = sweeper("run", "own.yaml", "--runner", "inprocess")
    assert ran.code == 4, ran.err
    assert "exit code 1: ValueError: lr is too large" in ran.err
    good, bad = rows(sweeper("export", "own", "--format", "csv", "--sort", "lr"))
    assert (good["state"], float(good["loss"]), float(good["seed_given"])) == ("completed", 0.5 / 3 + 0.25, 0.0)
    assert (bad["state"], bad["steps"]) == ("failed", "3")
    log = next(Path("results/own/trials").glob(f"{good['trial']}*/log.txt")).read_text()
    assert "$(touch owned)" in log
    assert '{"level": "info"}' in log
    assert not (files / "owned").exists()
    assert "nothing to train" in sweeper("run", "own.yaml", "--runner", "inprocess").err
    (files / "helper.py").write_text("SHIFT = 0.5\n")
    assert "stale         1" in sweeper("plan", "own.yaml").out  # what the program imports is its code


def test_a_file_of_wandb_is_run_where_its_program_is(files: Path, sweeper: Sweeper) -> None:
    text = "program: {}\nmethod: grid\nmetric: {{name: loss, goal: minimize}}\nparameters: {{lr: {{values: [0.5]}}}}\n"
    (files / "wb.yaml").write_text(text.format("train.py"))
    ran = sweeper("run", "wb.yaml", "--runner", "inprocess")
    assert ran.code == 0, ran.err
    [row] = rows(sweeper("export", "wb", "--format", "csv"))
    assert float(row["seed_given"]) == 7  # no `seeds` in the file: the program is not given one
    (files / "gone.yaml").write_text(text.format("gone.py"))
    refused = sweeper("plan", "gone.yaml")
    assert (refused.code, "a trainer is needed" in refused.err, "or put" in refused.err) == (2, True, True)


@pytest.mark.parametrize(
    ("trainer", "text"),
    [
        ('{command: [python, "${argz}"]}', "no such macro"),
        ("{command: []}", "trainer.command"),
        ("{comand: [python]}", "command is missing"),
        ("{command: python}", "trainer.command"),
    ],
)
def test_a_wrong_command_is_refused(trainer: str, text: str, folder: Path, sweeper: Sweeper) -> None:
    (folder / "own.yaml").write_text(f"trainer: {trainer}\nparameters: {{x: {{values: [1, 2]}}}}\n")
    refused = sweeper("validate", "own.yaml")
    assert (refused.code, text in refused.err) == (2, True), refused.err


def test_macros_are_those_of_wandb() -> None:
    params = {"a.b": 1e-3, "flag": True, "off": False, "seed": 2}
    every = ["${env}", "${args_no_hyphens}", "x=${args_json}", "--s=${seed}", "${args_no_boolean_flags}"]
    expanded = program.expand(every, params)
    assert expanded[:4] == ["/usr/bin/env", "a.b=0.001", "flag=True", "off=False"]
    assert expanded[4:] == ['x={"a.b": 0.001, "flag": true, "off": false}', "--s=2", "--a.b=0.001", "--flag"]
    assert program.name_of(["t", "${args_no_hyphens}"], seeded=True) == "command: t ${args_no_hyphens} seed=${seed}"
    assert program.name_of(["t", "${args}", "-s${seed}"], seeded=True) == "command: t ${args} -s${seed}"


FOREVER = """\
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
open("pids", "a").write(f"{child.pid} ")
print(json.dumps({"step": 1, "loss": WHAT}), flush=True)
time.sleep(1000)
"""


def forever(folder: Path, what: str) -> None:
    (folder / "train.py").write_text(FOREVER.replace("WHAT", what))
    (folder / "own.yaml").write_text(OWN.replace("[0.5, 2]", "[0.5]").replace(', "${args}"', ""))


def all_end(folder: Path) -> bool:
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    until = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return bool(pids)


def test_a_program_that_diverges_is_ended_with_its_children(folder: Path, sweeper: Sweeper) -> None:
    forever(folder, "float('nan')")
    sweeper("run", "own.yaml", "--runner", "inprocess")
    assert [row["state"] for row in rows(sweeper("export", "own", "--format", "csv"))] == ["diverged"]
    assert all_end(folder)


def test_what_a_program_started_in_a_session_of_its_own_ends_with_it(folder: Path) -> None:
    forever(folder, "float('nan')")
    text = (
        (folder / "train.py")
        .read_text()
        .replace("import time;", "import signal, time; signal.signal(15, signal.SIG_IGN);")
    )
    text = text.replace('time.sleep(1000)"])', 'time.sleep(1000)"], start_new_session=True)\ntime.sleep(1)')
    (folder / "train.py").write_text(text)
    session = runs.train(folder / "own.yaml")
    assert [str(record.state) for record in session.records.values()] == ["diverged"]
    assert all_end(folder)


REPORTING = """\
import os, subprocess, sys
import sweeper
if "RANK" in os.environ:
    for step in (1, 2, 3):
        sweeper.report(step, {"loss": (int(os.environ["RANK"]) + 1) / step})
else:
    sweeper.report(0, {"loss": 5})
    ranks = [{**os.environ, "RANK": rank} for rank in "01"]
    ranks = [subprocess.Popen([sys.executable, __file__], env=env, stdout=subprocess.DEVNULL) for env in ranks]
    sys.exit(any(rank.wait() for rank in ranks))
"""


def test_a_program_reports_from_its_children_whatever_its_output_is(folder: Path) -> None:
    forever(folder, "1")
    (folder / "train.py").write_text(REPORTING)
    [record] = runs.train(folder / "own.yaml").records.values()
    assert record.ended is not None
    assert str(record.state) == "completed", record.ended.reason
    [record] = read_history(SweepDir(folder / "results", "own"), curves=True).planned()
    assert [(one.step, one.metrics["loss"]) for one in record.reports] == [(0, 5), (1, 1), (2, 0.5), (3, 1 / 3)]
    assert [path.name for path in (folder / "results/own/trials").glob("*/*")] == ["log.txt"]
    alone = subprocess.run(
        [sys.executable, "-c", "import sweeper; sweeper.report(1, {'loss': 2})"], capture_output=True
    )
    assert json.loads(alone.stdout) == {"step": 1, "loss": 2.0}


def test_a_step_is_a_whole_number_and_a_program_may_close_its_output(folder: Path, sweeper: Sweeper) -> None:
    text = OWN.replace("[0.5, 2]", "[2.0, 2.5]")
    (folder / "train.py").write_text(
        "import json, os, sys, time\n"
        "lr = float(sys.argv[1].partition('=')[2])\n"
        "print(json.dumps({'step': lr, 'loss': 1}), flush=True)\n"
        "os.close(1)\ntime.sleep(0.5)\nopen('ended', 'a').write(f'{lr} ')\nos._exit(0)\n"
    )
    (folder / "own.yaml").write_text("".join(line for line in text.splitlines(True) if "base" not in line))
    ran = sweeper("run", "own.yaml", "--runner", "inprocess")
    good, bad = rows(sweeper("export", "own", "--format", "csv", "--sort", "lr"))
    assert (good["state"], good["steps"], bad["state"]) == ("completed", "2", "failed")
    assert "a whole number is wanted" in ran.err
    assert (folder / "ended").read_text() == "2.0 "


def test_a_program_does_not_outlive_a_killed_driver(folder: Path) -> None:
    forever(folder, "1.0")
    command = [sys.executable, "-m", "sweeper", "run", "own.yaml", "--runner", "inprocess"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        while not (folder / "pids").exists() or not (folder / "pids").read_text():
            time.sleep(0.05)
        driver.kill()
    assert all_end(folder)


RESUMED = """\
import json, os, pathlib, sys, time
place = pathlib.Path(os.environ["SWEEPER_CHECKPOINT_DIR"], "state")
step = int(place.read_text()) if place.exists() else 0
while step < 30:
    step += 1
    time.sleep(0.1)
    print(json.dumps({"step": step, "loss": 1 / step}), flush=True)
    with open("steps", "a") as file:
        file.write(f"{sys.argv[1]} {step}\\n")
    place.with_suffix(".part").write_text(str(step))
    place.with_suffix(".part").rename(place)
    if step == 3:
        time.sleep(0.2)
"""


@pytest.mark.ray
def test_an_interrupted_program_goes_on_from_its_own_checkpoint_on_ray(folder: Path) -> None:
    (folder / "train.py").write_text(RESUMED)
    (folder / "own.yaml").write_text("".join(line for line in OWN.splitlines(True) if "base" not in line))
    command = [sys.executable, "-m", "sweeper", "run", "own.yaml"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as driver:
        while not (folder / "steps").exists() or len((folder / "steps").read_text().splitlines()) < 6:
            time.sleep(0.05)
        os.kill(driver.pid, signal.SIGINT)
        assert "2 pending" in driver.communicate(timeout=60)[1]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "2 completed" in done.stderr) == (0, True), done.stderr
    made = (folder / "steps").read_text().splitlines()
    assert set(made) == {f"--lr={lr} {step}" for lr in ("0.5", "2.0") for step in range(1, 31)}
    assert len(made) <= 62  # a step under way is made again


def test_what_a_program_wrote_before_it_ended_is_read_however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "POLL_S", 0.01)
    command = ["/bin/sh", "-c", "sleep 0.1; echo first; printf last"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        lines = program._lines(process)
        assert next(lines) == ""
        process.wait()  # as while the driver is busy with the line before
        assert [line for line in lines if line] == ["first", "last"]
