"""Trials that share a process: what one does to it, or raises, changes no other one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeper.execution.worker import pack
from sweeper.execution.worker.job import Job
from sweeper.trial import Cause, Ended, Event, Reported, State
from tests.conftest import Sweeper
from tests.execution.drivers import Notebook

LEAVES = """\
name: toy
trainer: leaky:%s
metric: {name: score, goal: maximize}
parameters: {deed: {values: [good, exit, exec, fork, fork and raise, fork and report, thread, close, fine]}}
retry: {max: 0}
"""


def run(tmp_path: Path, target: str, count: int, **params: Any) -> list[Event]:
    shared = {"seed": 3, **params}
    jobs = [Job(f"key{i}", 1, target, dict(shared), ("score",), tmp_path / f"key{i}") for i in range(count)]
    driver = Notebook(waiting=jobs[1:])
    pack.run(jobs[:1], driver, 1)
    return driver.events


@pytest.mark.parametrize("target", ["leaky:leaks", "leaky:fused"])
def test_a_trial_finds_the_process_as_the_one_before_it_did(target: str, folder: Path) -> None:
    events = [*run(folder, target, 2, list=[]), *run(folder, target, 1, list=[])]
    found = [dict(event.metrics) for event in events if isinstance(event, Reported)]
    if target == "leaky:fused":  # a pack that is one program seeds its members itself
        found = [{**metrics, "random": 0.0} for metrics in found]
    assert found == [found[0]] * len(found)
    assert len(found) > 1
    assert not list(folder.glob("elsewhere/elsewhere"))


REASONS = {
    "interrupt": "KeyboardInterrupt (leaky.py:",
    "generator exit": "GeneratorExit: gone (leaky.py:",
    "stop iteration": "StopIteration: 3 (leaky.py:",
    "base": "BaseException: base (leaky.py:",
    "mute": "Mute: its text cannot be shown, __str__ raised RuntimeError (leaky.py:",
    "surrogate": r"ValueError: a\ud800b (leaky.py:",
    "closed streams": "ValueError: silent (leaky.py:",
    "chain": "ExceptionGroup: two (2 sub-exceptions) (leaky.py:",
}


@pytest.mark.parametrize("kind", REASONS)
def test_whatever_a_trainer_raises_is_a_reason_of_one_line_and_a_traceback_in_the_log(
    kind: str, tmp_path: Path
) -> None:
    (ended,) = [event for event in run(tmp_path, "leaky:raises", 1, kind=kind) if isinstance(event, Ended)]
    assert (ended.state, ended.cause) == (State.FAILED, Cause.EXCEPTION)
    assert ended.reason.startswith(REASONS[kind])
    assert "Traceback (most recent call last)" in (tmp_path / "key0" / "log.txt").read_text()


@pytest.mark.parametrize("function", ["leaves", "fused_leaves"])
def test_a_trial_that_ends_or_forks_the_process_of_a_run_is_one_trial(
    function: str, folder: Path, sweeper: Sweeper
) -> None:
    (folder / "toy.yaml").write_text(LEAVES % function)
    said = sweeper("run", "toy.yaml", "--runner", "inprocess", "resources.pack=1")
    assert said.code == 4, said.err
    table = sweeper("export", "toy", "--format", "json").json()
    states = {row["deed"]: row["state"] for row in table["rows"] if row["score"] != 9.0}
    failed = {row["deed"]: row["reason"] for row in table["rows"] if row["state"] == "failed"}
    assert failed.keys() == {"exit", "exec"}, failed
    assert Counter(states.values()) == {"completed": 7, "failed": 2}
    assert (folder / "results/toy/ledger.jsonl").read_text().count('"e":"end"') == 9


@pytest.mark.ray
def test_on_ray_too(folder: Path, sweeper: Sweeper) -> None:
    (folder / "toy.yaml").write_text(LEAVES % "leaves")
    assert sweeper("run", "toy.yaml").code == 4
    assert (folder / "results/toy/ledger.jsonl").read_text().count('"e":"end"') == 9


def test_results_are_found_again_when_a_trainer_changes_the_folder(folder: Path, sweeper: Sweeper) -> None:
    (folder / "toy.yaml").write_text(
        LEAVES.replace("%s", "leaks")
        .replace("deed:", "list:")
        .replace("good, exit, exec, fork, fork and raise, fork and report, thread, close, fine", "[], [1]")
    )
    said = sweeper("run", "toy.yaml", "--runner", "inprocess", "--results", "here")
    assert said.code == 0, said.err
    assert (folder / "elsewhere").is_dir()
    assert (folder / "here" / "mlflow.db").is_file()
    assert not (folder / "elsewhere" / "here").exists()
