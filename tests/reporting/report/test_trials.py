from __future__ import annotations

import math
from pathlib import Path

import pytest

from sweeper.analysis.sweep_results import SweepResults
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.report import tables
from sweeper.reporting.report.page import render
from sweeper.reporting.report.trials import POINTS, log_end, trial_data
from sweeper.trial import Reported, State
from tests.records import make_end, make_trial


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path: Path) -> None:
    sweep, trial = SweepDir(tmp_path, "toy"), make_trial(0, beta=1)
    with Ledger(sweep) as book:
        book.run("", {}, [trial], read_history(sweep))
        for step in range(1, 1001):
            book.record(Reported(trial.key, 1, 1.0, step, {"score": math.nan if step == 1000 else step}))
        book.record(make_end(trial, score=math.inf))
    data = trial_data(SweepResults(sweep))["trials"][trial.key]
    assert len(data["curves"]["score"]) <= POINTS
    assert data["curves"]["score"][-1] == [1000, "nan"]
    assert data["metrics"] == ["inf"]


def test_settings_that_all_trials_share_are_written_once(tmp_path: Path) -> None:
    sweep, trials = SweepDir(tmp_path, "toy"), [make_trial(0, beta=b, rate=0.1) for b in (1, 2)]
    with Ledger(sweep) as book:
        book.run("", {}, trials, read_history(sweep))
    data = trial_data(SweepResults(sweep))
    assert data["shared"] == {"rate": "0.1"}
    assert data["trials"][trials[1].key]["settings"] == {"beta": "2", "seed": "0"}


def test_only_the_end_of_a_log_is_kept(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path, "toy")
    sweep.trial("k").mkdir(parents=True)
    (sweep.trial("k") / "log.txt").write_text("".join(f"line {i}\n" for i in range(1000)))
    assert log_end(sweep, "k", 30) == "... line 997\nline 998\nline 999\n"


def test_a_log_outside_of_the_sweep_is_not_read(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path / "results", "toy")
    sweep.trial("k").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "log.txt").write_text("mine")
    (sweep.trial("k") / "log.txt").symlink_to(tmp_path / "secret" / "log.txt")
    assert log_end(sweep, "k", 100) == ""
    assert log_end(sweep, "../../../secret", 100) == ""


def test_of_many_trials_those_that_did_not_complete_and_the_best_are_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    sweep, trials = SweepDir(tmp_path, "toy"), [make_trial(0, beta=b) for b in range(4)]
    text = "name: toy\nmetric: {name: score, goal: maximize}\nparameters: {beta: {values: [0, 1, 2, 3]}}\n"
    with Ledger(sweep) as book:
        book.run(text, {}, trials, read_history(sweep))
        for trial, score in zip(trials, (1, 4, 2, 3), strict=True):
            book.record(make_end(trial, state=State.FAILED if score == 2 else State.COMPLETED, score=score))
    results = SweepResults(sweep)
    shown = tables.trials(results)
    assert ({row.key for row in shown.rows}, shown.all_rows) == ({trials[2].key, trials[1].key}, 4)
    assert trial_data(results)["trials"].keys() == {trials[1].key, trials[2].key}
    assert (len(tables.configs(results).rows), tables.configs(results).all_rows) == (2, 4)
    assert "Here are 2 of 4" in render(results)
