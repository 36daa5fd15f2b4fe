"""One value of a configuration on every surface: the mean over its completed seeds, the others counted next to it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sweeper.analysis.evidence import collect
from sweeper.analysis.progress import summarize
from sweeper.analysis.sweep_results import SweepResults
from sweeper.cli.terminal.tables import print_configurations
from sweeper.ledger.history import History
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.tables import optuna_study
from sweeper.search.ranking import best
from sweeper.spec.claims.records import Claim, Mean
from sweeper.tracking.experiment import Experiment
from sweeper.tracking.overview_runs import config_overview
from sweeper.trial import State
from tests.records import make_end, make_trial

TEXT = "name: toy\nmetric: {name: loss, goal: minimize}\nparameters: {x: {values: [1, 2]}}\nseeds: 4\n"
ENDS = [(State.COMPLETED, 4.0), (State.PRUNED, 1.0), (State.DIVERGED, None), (State.FAILED, None)]


@pytest.fixture
def results(tmp_path: Path) -> SweepResults:
    """x = 1: one seed each completed with 4, pruned at 1, diverged, failed. x = 2: two pruned, two failed."""
    sweep = SweepDir(tmp_path, "toy")
    mixed = [(make_trial(seed, x=1), state, loss) for seed, (state, loss) in enumerate(ENDS)]
    other = [(make_trial(seed, x=2), ENDS[1 + 2 * (seed > 1)][0], 0.5 if seed < 2 else None) for seed in range(4)]
    with Ledger(sweep) as book:
        book.run(TEXT, {}, [trial for trial, _, _ in (*mixed, *other)], History())
        for trial, state, loss in (*mixed, *other):
            end = make_end(trial, state, **({} if loss is None else {"loss": loss}))
            book.record(replace(end, reason="for a test"))
    return SweepResults(sweep)


def test_every_surface_says_the_same(results: SweepResults) -> None:
    records = results.history.planned()
    assert results.sweep is not None
    row = results.configs.iloc[0]
    assert (row["loss.mean"], row["loss.n"], row.seeds) == (4, 1, 4)
    assert (row.pruned, row.diverged, row.failed) == (1, 1, 1)
    assert results.configs["loss.n"].tolist() == [1, 0]
    assert [standing.values for standing in best(results.sweep, records)] == [(4,)]
    found = summarize(results.folder, results.sweep, 2000.0).best
    assert found is not None
    assert (found.values, found.n) == ({"loss": 4}, 1)
    claim = Claim("c", "loss", "configs", None, 0.05, Mean(0, None))
    assert collect(claim, records).values == [4]
    overview = config_overview(Experiment("toy", "", goals={"loss": False}), records[:4])
    assert (overview.metrics["loss.mean"], overview.metrics["loss.n"]) == (4, 1)


def test_the_screen_counts_the_other_seeds_next_to_the_mean(results: SweepResults) -> None:
    screen = Console(file=io.StringIO(), width=120)
    print_configurations(screen, results.history.planned(), ["loss"])
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[1].split() == ["1", "1/4", "1", "pruned", "1", "diverged", "1", "failed", "4"]
    assert lines[2].split() == ["2", "0/4", "2", "pruned", "2", "failed"]


def test_the_optuna_study_has_no_imputed_value(results: SweepResults, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    optuna_study.write(results.folder.results, "toy", tmp_path / "study.db")
    study = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [(trial.state.name, trial.values) for trial in study.trials] == [("COMPLETE", [4.0]), ("PRUNED", None)]
