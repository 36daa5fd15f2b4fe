from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.analysis.progress import SweepSummary, goal_map, summarize
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.spec.load import load_or_none
from sweeper.trial import Record, State
from tests.records import make_end, make_life, make_trial

TEXT = """\
name: toy
metric: {name: score, goal: maximize}
parameters: {beta: {values: [0.5, 1]}, kind: {values: [a, b]}}
"""
TRIALS = [make_trial(seed, beta=beta, kind=kind) for beta in (0.5, 1) for kind in ("a", "b") for seed in (0, 1)]


@pytest.fixture
def seen(tmp_path: Path) -> SweepSummary:
    """Half of the trials are done, one failed, one runs."""
    folder = SweepDir(tmp_path, "toy")
    with Ledger(folder) as book:
        book.run(TEXT, {}, TRIALS, read_history(folder))
        for index, trial in enumerate(TRIALS[:4]):
            for event in make_life(trial, 0.1, index / 10):
                book.record(event)
        book.record(replace(make_end(TRIALS[4], State.FAILED), reason="boom"))
        for event in make_life(TRIALS[5], 0.1, 0.2)[:-1]:
            book.record(event)
        return summarize(folder, load_or_none(folder.spec), 2000.0)


def test_the_best_so_far_is_a_configuration_with_its_mean(seen: SweepSummary) -> None:
    assert seen.best is not None
    assert (seen.best.name, seen.best.n) == ("beta=0.5 kind=b", 2)
    assert seen.best.values == pytest.approx({"score": 0.25})


def test_what_runs_has_its_step_and_its_curve(seen: SweepSummary) -> None:
    (running,) = seen.running
    assert (running.name, running.step, list(running.curve)) == ("beta=1 kind=a seed=1", 2, [0.1, 0.2])


def test_a_map_has_the_means_of_what_is_done(seen: SweepSummary) -> None:
    assert seen.map is not None
    assert (seen.map.xs, seen.map.ys) == (["0.5", "1"], ["a", "b"])
    assert seen.map.cells == pytest.approx({("0.5", "a"): 0.05, ("0.5", "b"): 0.25})


def test_the_document_has_it_all_but_the_map(seen: SweepSummary) -> None:
    document = seen.as_json()
    assert set(document) >= {"name", "counts", "trials_per_hour", "left_s", "failures", "best", "running"}


def test_one_parameter_makes_no_map() -> None:
    trials = [make_trial(0, beta=beta) for beta in (1, 2)]
    assert goal_map([Record(t, 1, None, make_end(t, score=1.0)) for t in trials], "score") is None


def test_levels_are_in_the_order_of_their_numbers() -> None:
    trials = [make_trial(0, beta=beta, x=x) for beta in (10, 9.5, None) for x in (1, 2)]
    found = goal_map([Record(t, 1, None, make_end(t, score=1.0)) for t in trials], "score")
    assert found is not None
    assert found.xs == ["9.5", "10", "null"]


def test_without_a_sweep_file_there_is_progress(tmp_path: Path) -> None:
    folder = SweepDir(tmp_path, "toy")
    with Ledger(folder) as book:
        book.run("no: [sweep", {}, TRIALS, read_history(folder))
    seen = summarize(folder, load_or_none(folder.spec), 2000.0)
    assert (seen.best, seen.map, seen.progress.counts) == (None, None, {"pending": 8})
