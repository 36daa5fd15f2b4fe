from __future__ import annotations

from pathlib import Path

import numpy as np

from sweeper.execution import retention
from sweeper.execution.worker import checkpoints
from sweeper.execution.worker.checkpoints import Saved
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State, Trial
from tests.conftest import Sweeper
from tests.records import make_end, make_trial

DONE, FAILED, PENDING, GONE = (make_trial(seed, x=1) for seed in range(4))


def save(sweep: SweepDir, trial: Trial, *steps: int) -> None:
    for step in steps:
        checkpoints.write(sweep.trial(trial.key), trial.key, Saved(step, {}, 0.0, {"w": np.zeros(100)}, {}))


def make_sweep(results: Path, keep: str) -> SweepDir:
    """A sweep with a finished, a failed and a pending trial, and one that its file no longer asks for."""
    sweep = SweepDir(results, "toy")
    text = f"trainer: quadratic:train\nparameters: {{x: {{values: [1]}}}}\ncheckpoints: {{keep: {keep}}}\n"
    with Ledger(sweep) as book:
        book.run(text, {}, [DONE, FAILED, PENDING, GONE], History())
        book.record(make_end(DONE))
        book.record(make_end(FAILED, State.FAILED))
        book.run(text, {}, [DONE, FAILED, PENDING], read_history(sweep))
    for trial in (DONE, FAILED, PENDING, GONE):
        save(sweep, trial, 1, 2)
        (sweep.trial(trial.key) / "log.txt").write_text("kept")
    return sweep


def left(sweep: SweepDir) -> list[int]:
    return [len(checkpoints.steps(sweep.trial(trial.key))) for trial in (DONE, FAILED, PENDING, GONE)]


def test_trials_that_may_go_on_keep_their_checkpoints(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, "none")
    (found,) = retention.find(tmp_path)
    assert (found.trials, len(found.files)) == (2, 8)
    assert found.size == sum(path.stat().st_size for path in found.files) > 0
    retention.remove(found)
    assert left(sweep) == [0, 2, 2, 0]
    assert retention.find(tmp_path) == []
    assert (sweep.trial(DONE.key) / "log.txt").exists()


def test_what_the_rule_keeps_of_a_finished_trial_stays(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, "last")
    retention.remove(retention.find(tmp_path)[0])
    assert left(sweep) == [1, 2, 2, 0]


def test_links_are_not_followed(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "results", "none")
    retention.remove(retention.find(tmp_path / "results")[0])
    outside = tmp_path / "outside"
    checkpoints.write(outside, "x", Saved(1, {}, 0.0, {"w": np.zeros(1)}, {}))
    (sweep.folder / "trials" / "0123456789abcdef").symlink_to(outside)
    (sweep.trial(GONE.key) / "checkpoints").symlink_to(outside / "checkpoints")
    assert retention.find(tmp_path / "results") == []


def test_the_command_prints_how_many_bytes_before_it_removes_any(tmp_path: Path, sweeper: Sweeper) -> None:
    sweep = make_sweep(tmp_path / "results", "none")
    said = sweeper("gc", "--results", tmp_path / "results")
    assert "toy" in said.out
    assert "--yes" in said.err
    assert left(sweep) == [2, 2, 2, 2]
    assert sweeper("gc", "--results", tmp_path / "results", "--yes").code == 0
    assert left(sweep) == [0, 2, 2, 0]
    assert "nothing to remove" in sweeper("gc", "--results", tmp_path / "results").err


def test_a_sweep_that_is_being_run_is_left_alone(tmp_path: Path, sweeper: Sweeper) -> None:
    sweep = make_sweep(tmp_path / "results", "none")
    with Ledger(sweep):
        said = sweeper("gc", "--results", tmp_path / "results", "--yes", "--json")
    assert said.json()["sweeps"][0]["in_use"].startswith("process ")
    assert left(sweep) == [2, 2, 2, 2]
