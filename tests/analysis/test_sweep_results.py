from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import sweeper
from sweeper.analysis import frames
from sweeper.errors import UsageError
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State
from tests.records import make_end, make_life, make_trial

TRIALS = [make_trial(seed, beta=beta, kind="<b>") for beta in (0.5, 1) for seed in range(2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sweep = SweepDir(tmp_path, "toy")
    with Ledger(sweep) as book:
        text = "name: toy\nmetric: {name: score, goal: maximize}\nparameters: {beta: {values: [0.5, 1]}}\n"
        book.run(text, {}, TRIALS, read_history(sweep))
        for trial in TRIALS[:3]:
            for event in make_life(trial, 0.1, 0.2):
                book.record(event)
        book.record(make_end(TRIALS[3], State.FAILED))
    return sweep.folder


def test_the_frames_are_those_of_export(folder: Path) -> None:
    results, sweep = sweeper.load_results(folder), SweepDir(folder.parent, "toy")
    known = frames.history(sweep, curves=True)
    pd.testing.assert_frame_equal(results.trials, frames.trials(sweep, known))
    pd.testing.assert_frame_equal(results.configs, frames.configs(sweep, known, places=results.places))
    pd.testing.assert_frame_equal(results.curves, frames.curves(sweep, known))


def test_a_short_name_means_its_column_unless_a_column_has_that_name(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path, "toy")
    trials = [make_trial(0, **{"loss.beta": beta}) for beta in (0.5, 1)]
    text = (
        "name: toy\nmetric: {name: score, short: other}\nparameters: {loss.beta: {values: [0.5, 1], short: strength}}\n"
    )
    with Ledger(sweep) as book:
        book.run(text, {}, trials, read_history(sweep))
        for trial in trials:
            book.record(make_end(trial, score=1.0, other=2.0))
    results = sweeper.load_results(sweep.folder)
    found = [results.named(name) for name in ("strength", "other", "score", "nothing")]
    assert found == ["loss.beta", "other", "score", "nothing"]


def test_what_varies_and_what_counts_come_first(folder: Path) -> None:
    results = sweeper.load_results(str(folder))
    assert results.varied == ["beta"]  # `kind` has one value
    assert results.headlines == ["score"]
    assert results.maximize("score") is True
    assert results.maximize("other") is None


def test_tables_do_without_the_sweep_file(folder: Path) -> None:
    (folder / "sweep.yaml").write_text("no: [sweep\n")
    results = sweeper.load_results(folder)
    assert results.sweep is None
    assert results.headlines == ["score"]
    assert len(results.configs) == 2


def test_a_notebook_shows_counts_and_the_table(folder: Path) -> None:
    page = sweeper.load_results(folder)._repr_html_()
    assert "<b>toy</b>: 3 completed, 1 failed" in page
    assert "score.mean" in page


def test_a_folder_that_is_no_sweep_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no such sweep"):
        sweeper.load_results(folder.parent / "tyo")


def test_a_trainer_named_in_a_results_folder_is_not_imported(folder: Path) -> None:
    (folder / "sweep.yaml").write_text("trainer: antigravity:train\nparameters: {x: {values: [1, 2]}}\n")
    code = "import sweeper, sys; r = sweeper.load_results(sys.argv[1]); r.sweep, r.headlines; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert "antigravity" not in done.stdout


def test_importing_sweeper_is_light() -> None:
    code = "import sweeper, sys; print(*({'pandas', 'numpy', 'torch', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
