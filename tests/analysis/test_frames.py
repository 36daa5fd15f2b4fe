from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sweeper.analysis import frames
from sweeper.errors import UsageError
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State
from tests.records import make_end, make_life, make_trial

SEEDS = [make_trial(seed, beta=1) for seed in range(4)]
OTHER = make_trial(0, beta=0.5)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    sweep = SweepDir(tmp_path, "toy")
    with Ledger(sweep) as book:
        book.run("", {}, [*SEEDS, OTHER], read_history(sweep))
        for seed, trial in enumerate(SEEDS[:3]):
            for event in make_life(trial, 0.1, 0.2 + seed / 10):
                book.record(event)
        book.record(make_end(SEEDS[3], State.FAILED))
    return sweep


def test_a_row_a_trial_in_the_order_of_the_plan(sweep: SweepDir) -> None:
    frame = frames.trials(sweep, frames.history(sweep))
    assert list(frame.trial) == [trial.key for trial in [*SEEDS, OTHER]]
    assert list(frame.state) == ["completed"] * 3 + ["failed", "pending"]
    assert list(frame.columns[:7]) == ["sweep", "trial", "config", "seed", "state", "reason", "beta"]
    assert list(frame.columns[-6:]) == ["steps", "started_at", "wall_s", "device", "code", "commit"]


def test_a_group_has_the_mean_and_interval_that_scipy_gives(sweep: SweepDir) -> None:
    row = frames.configs(sweep, frames.history(sweep)).iloc[0]
    scores = np.array([0.2, 0.3, 0.4])
    low, high = stats.t.interval(0.95, 2, scores.mean(), stats.sem(scores))
    found = [row[f"score.{part}"] for part in ("mean", "std", "ci_low", "ci_high", "n")]
    np.testing.assert_allclose(found, [0.3, scores.std(ddof=1), low, high, 3], rtol=1e-12)


def test_failed_and_pending_seeds_do_not_count(sweep: SweepDir) -> None:
    frame = frames.configs(sweep, frames.history(sweep))
    assert list(frame["score.n"]) == [3, 0]
    assert list(frame.seeds) == [4, 1]


def test_a_row_a_point_of_a_curve(sweep: SweepDir) -> None:
    frame = frames.curves(sweep, frames.history(sweep, curves=True))
    assert len(frame) == 6
    assert list(frame.step[:2]) == [1, 2]


def test_a_parameter_named_like_a_column_gets_a_column_of_its_own(tmp_path: Path) -> None:
    sweep, trial = SweepDir(tmp_path, "toy"), make_trial(0, steps=5)
    with Ledger(sweep) as book:
        book.run("", {}, [trial], read_history(sweep))
        book.record(make_end(trial, score=1.0))
    row = frames.trials(sweep, frames.history(sweep)).iloc[0]
    assert (row["params.steps"], row["steps"]) == (5, 10)


def test_whole_numbers_stay_whole_beside_pending_trials(sweep: SweepDir) -> None:
    steps = frames.trials(sweep, frames.history(sweep)).steps
    assert steps[0] == 10
    assert steps[4] is pd.NA


def test_an_unknown_sweep_is_refused_with_those_there_are(sweep: SweepDir) -> None:
    with pytest.raises(UsageError, match="toy"):
        frames.history(SweepDir(sweep.results, "tyo"))


def test_statistics_of_groups_are_those_of_scipy_on_fresh_data() -> None:
    rng = np.random.default_rng()
    groups = [rng.normal(size=count) for count in (1, 2, 5, 8)]
    labels = np.repeat(range(4), [len(group) for group in groups])
    found = frames.summaries(pd.DataFrame({"m": np.concatenate(groups)}, index=labels))
    for i, group in enumerate(groups):
        row = {part: found[f"m.{part}"][i] for part in ("mean", "std", "ci_low", "ci_high", "n", "iqm")}
        assert (row["n"], row["mean"]) == (len(group), pytest.approx(group.mean(), abs=1e-12))
        assert row["iqm"] == pytest.approx(stats.trim_mean(group, 0.25), abs=1e-12)
        if len(group) > 1:
            ends = stats.t.interval(0.95, len(group) - 1, group.mean(), stats.sem(group))
            np.testing.assert_allclose([row["ci_low"], row["ci_high"]], ends, atol=1e-9)
            assert row["std"] == pytest.approx(group.std(ddof=1), abs=1e-12)
        else:
            assert np.isnan([row["std"], row["ci_low"]]).all()


def test_a_bootstrap_interval_is_had_by_asking(sweep: SweepDir) -> None:
    row = frames.configs(sweep, frames.history(sweep), interval="bootstrap", only=["score"]).iloc[0]
    assert 0.2 <= row["score.ci_low"] < 0.3 < row["score.ci_high"] <= 0.4


def test_nan_and_infinite_values_do_not_count() -> None:
    found = frames.summaries(pd.DataFrame({"m": [1.0, float("nan"), float("inf"), 3.0]}, index=[0, 0, 0, 0]))
    assert (found["m.mean"][0], found["m.n"][0]) == (2.0, 2)


def test_the_hash_changes_with_the_file_and_with_the_trials(sweep: SweepDir) -> None:
    known = frames.history(sweep)
    before = frames.digest(sweep, known)
    assert before == frames.digest(sweep, known)
    sweep.spec.write_text("name: other\n")
    other = frames.digest(sweep, known)
    known.order.pop()
    assert len({before, other, frames.digest(sweep, known)}) == 3
