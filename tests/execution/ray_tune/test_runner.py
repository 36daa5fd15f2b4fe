"""Real Ray, real worker processes, real deaths."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from sweeper.execution.runner import Pack, Source
from tests.conftest import CommandResult, Sweeper

pytestmark = pytest.mark.ray

SLOW_PACK = """\
import time

def train(params, report): ...

def train_pack(slots):
    members = list(slots.join(slots.size))
    for step in range(1, 7):
        time.sleep(0.5)
        for member in members:
            member.progress(step)
    for member in members:
        member.report(6, {"loss": 1.0})
        member.finish()

train.train_pack = train_pack
"""

NAUGHTY = """\
name: toy
trainer: naughty:by_name
metric: {name: score, goal: maximize}
method: grid
parameters: {deed: {values: [good, raise, die, exit, nan]}}
retry: {max: 1}
"""
SLOW = """\
name: toy
trainer: naughty:slow
metric: {name: score, goal: maximize}
method: grid
parameters: {x: {values: [1, 2, 3, 4, 5, 6, 7, 8]}}
"""


def rows(said: CommandResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(said.out)))


def mlflow_runs(folder: Path) -> list[Any]:
    """The runs of the sweep `toy`, by MLflow's own client."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'results' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.`sweeper.kind` = 'trial'"))


def ledger_lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / "results" / "toy" / "ledger.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [entry for entry in entries if entry["e"] == kind]


def start(*words: str) -> subprocess.Popen[str]:
    """`sweeper run toy.yaml` going on in its own process group."""
    command = [sys.executable, "-m", "sweeper", "run", "toy.yaml", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_ends(folder: Path, count: int, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while len(ledger_lines(folder, "end")) < count:
        assert time.monotonic() < deadline, "no trial ended in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def broken_sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CommandResult]:
    """A sweep whose trials do everything wrong, run once on Ray."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "toy.yaml").write_text(NAUGHTY)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "trainers")}
    command = [sys.executable, "-m", "sweeper", "run", "toy.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, timeout=200)
    return folder, CommandResult(done.returncode, done.stdout, done.stderr)


def test_every_trial_ends_in_its_state_whatever_the_others_do(broken_sweep: tuple[Path, CommandResult]) -> None:
    folder, said = broken_sweep
    assert said.code == 4
    ends = {(e["trial"]): e["state"] for e in ledger_lines(folder, "end")}
    assert Counter(ends.values()) == {"completed": 1, "failed": 3, "diverged": 1}


def test_crashes_are_tried_again_and_divergence_is_not(broken_sweep: tuple[Path, CommandResult]) -> None:
    attempts = Counter(e["attempt"] for e in ledger_lines(broken_sweep[0], "end"))
    assert attempts == {1: 5, 2: 3}


def test_a_killed_worker_has_a_reason_of_one_line(broken_sweep: tuple[Path, CommandResult]) -> None:
    reasons = [e["reason"] for e in ledger_lines(broken_sweep[0], "end") if "worker process" in e["reason"]]
    assert len(reasons) == 2
    assert all(len(reason) < 100 for reason in reasons)


def test_nothing_of_rays_own_reaches_the_screen(broken_sweep: tuple[Path, CommandResult]) -> None:
    said = broken_sweep[1]
    assert said.out == ""
    for word in ("ray", "Ray", "Traceback", "(pid=", "╭", "WARNING", "INFO"):
        assert word not in said.err.replace("results/toy/ray.log", "")


def test_mlflow_has_one_run_a_trial_with_the_right_ending(broken_sweep: tuple[Path, CommandResult]) -> None:
    states = Counter(run.info.status for run in mlflow_runs(broken_sweep[0]))
    assert states == {"FINISHED": 1, "FAILED": 4}


def test_a_trials_log_has_what_it_printed(broken_sweep: tuple[Path, CommandResult]) -> None:
    logs = [path.read_text() for path in broken_sweep[0].glob("results/toy/trials/*/log.txt")]
    assert sum("ValueError: bad luck" in log for log in logs) == 1


def test_a_trial_that_has_ended_stays_so_when_its_neighbour_kills_their_worker(
    folder: Path, new_sweeper: Sweeper
) -> None:
    (folder / "toy.yaml").write_text(NAUGHTY.replace("good, raise, die, exit, nan", "good, raise, die, fine"))
    said = new_sweeper("run", "toy.yaml", "retry.max=0", "resources.pack=4", "--max-concurrent", "1")
    assert said.code == 4
    ends = {e["trial"]: (e["state"], e["reason"][:6]) for e in ledger_lines(folder, "end")}
    assert Counter(ends.values()) == {("completed", ""): 2, ("failed", "ValueE"): 1, ("failed", "the wo"): 1}
    assert len(ledger_lines(folder, "end")) == 4


def test_a_killed_driver_loses_and_doubles_nothing_and_the_next_keeps_to_max_concurrent(
    folder: Path, new_sweeper: Sweeper, sweeper: Sweeper
) -> None:
    (folder / "toy.yaml").write_text(SLOW)
    driver = start("reports=10")
    wait_for_ends(folder, 3)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    done_before = {e["trial"] for e in ledger_lines(folder, "end")}
    said = new_sweeper("run", "toy.yaml", "reports=10", "--max-concurrent", "1")
    assert said.code == 0, said.err
    table = rows(sweeper("export", "toy"))
    assert [row["state"] for row in table] == ["completed"] * 8
    ends = Counter(e["trial"] for e in ledger_lines(folder, "end"))
    assert set(ends.values()) == {1}
    assert done_before < set(ends)
    runs = mlflow_runs(folder)
    assert sorted(run.data.tags["sweeper.trial"] for run in runs) == sorted(row["trial"] for row in table)
    assert {run.info.status for run in runs} == {"FINISHED"}
    later = [e for e in ledger_lines(folder, "end") if e["trial"] not in done_before]
    spans = sorted((e["started_at"], e["at"]) for e in later)
    assert all(first[1] <= second[0] + 0.05 for first, second in itertools.pairwise(spans)), "one at a time"


def test_a_second_driver_is_refused_and_ctrl_c_twice_stops_the_first_cleanly(folder: Path, sweeper: Sweeper) -> None:
    (folder / "toy.yaml").write_text(SLOW)
    driver = start("reports=100")
    wait_for_starts(folder, 1)
    said = sweeper("run", "toy.yaml")
    assert (said.code, f"process {driver.pid}" in said.err) == (2, True)
    driver.send_signal(signal.SIGINT)
    time.sleep(0.5)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1] == "continue with: sweeper run toy.yaml reports=100"
    assert {row["state"] for row in rows(sweeper("export", "toy"))} <= {"pending", "completed"}
    assert "RUNNING" not in {run.info.status for run in mlflow_runs(folder)}


def wait_for_starts(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 90
    while len(ledger_lines(folder, "start")) < count:
        assert time.monotonic() < deadline, "no trial started in time"
        time.sleep(0.05)


class Endless:
    """What is asked of a source that always has another pack."""

    def is_done(self) -> bool:
        return False

    def next_pack(self) -> Pack:
        return Pack(0, (), None)


def test_packs_are_handed_out_at_once_as_far_as_they_fit_and_then_one_ahead_where_the_cluster_may_grow() -> None:
    from sweeper.execution.ray_tune.runner import PackSearcher

    here, growing = (PackSearcher(cast(Source, Endless()), 2, most) for most in (2, None))
    assert [bool(here.suggest(name)) for name in "abc"] == [True, True, False]
    assert [bool(growing.suggest(name)) for name in "abc"] == [True, True, False]
    for name in "ab":
        here.on_trial_result(name, {})
        growing.on_trial_result(name, {})
    assert (here.suggest("d"), bool(growing.suggest("d")), growing.suggest("e")) == (None, True, None)
    here.on_trial_complete("a")
    assert here.suggest("f")


def test_what_is_taken_from_tune_is_there_in_this_ray() -> None:
    from ray.air._internal import usage
    from ray.tune.execution import class_cache

    assert isinstance(class_cache.DEFAULT_ENV_VARS, dict)
    assert callable(usage.tag_callbacks)


WATCHED = """
import sweeper
from sweeper.execution.display import Silence

class Steps(Silence):
    def show_step(self, trial, step):
        with open("steps.txt", "a") as file:
            print(trial.seed, step, file=file)

if __name__ == "__main__":
    sweeper.run("slow.yaml", display=Steps())
"""


def test_the_steps_of_a_pack_are_shown_between_its_reports(folder: Path) -> None:
    """In a process of its own: what Ray leaves in the environment would be that of later tests."""
    (folder / "slow_pack.py").write_text(SLOW_PACK)
    text = "name: slow\ntrainer: slow_pack:train\nseeds: 2\nparameters: {x: {values: [1]}}\nresources: {pack: 2}\n"
    (folder / "slow.yaml").write_text(text)
    (folder / "watched.py").write_text(WATCHED)
    done = subprocess.run([sys.executable, "watched.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = [tuple(map(int, line.split())) for line in (folder / "steps.txt").read_text().splitlines()]
    assert {seed for seed, _ in seen} == {0, 1}
    assert len({step for _, step in seen if step < 6}) >= 2
