"""The pages of configurations and of a sweep, computed from records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweeper.tracking.experiment import Experiment
from sweeper.tracking.overview_runs import RunState, config_overview, opening, summary_overview
from sweeper.tracking.trial_run import Found, MirroredTrial
from sweeper.trial import Record, Started, State
from tests.records import make_end, make_trial

INPUT = Experiment("grid", "beta against JSD", "sweeper run grid.yaml", goals={"loss": False})


def ended(seed: int, state: State = State.COMPLETED, beta: float = 1.0, **metrics: float) -> Record:
    trial = make_trial(seed, beta=beta)
    return Record(trial, 1, None, make_end(trial, state, **metrics))


def running(seed: int) -> Record:
    trial = make_trial(seed, beta=1.0)
    return Record(trial, 1, Started(trial.key, 1, 1005.0, "cpu", "here"))


def test_a_configuration_shows_mean_std_interval_and_n_over_its_completed_seeds() -> None:
    overview = config_overview(INPUT, [ended(0, loss=1.0), ended(1, loss=3.0), ended(2, State.FAILED, loss=99.0)])
    expected = {"loss.mean": 2.0, "loss.std": 2**0.5, "loss.n": 2, "loss.ci_low": -10.706, "loss.ci_high": 14.706}
    assert dict(overview.metrics) == pytest.approx(expected, abs=1e-3)
    assert (overview.name, overview.status, overview.params) == ("beta=1", "FINISHED", {"beta": "1"})
    assert (overview.start_ms, overview.end_ms) == (1_000_000, 1_002_000)


def test_a_configuration_of_many_metrics_shows_fewer_than_fifty() -> None:
    metrics = {"loss": 1.0} | {f"m{i}": 1.0 for i in range(60)}
    records = [ended(seed, State.COMPLETED, 1.0, **metrics) for seed in (0, 1)]
    assert len(config_overview(INPUT, records).metrics) < 50


def test_a_configuration_without_a_completed_seed_failed_or_was_cut_short() -> None:
    assert config_overview(INPUT, [ended(0, State.FAILED), ended(1, State.DIVERGED)]).status == "FAILED"
    cut = config_overview(INPUT, [ended(0, State.FAILED), running(1)])
    assert (cut.status, cut.tags["sweeper.state"]) == ("KILLED", "1 failed, 1 unfinished")


def test_a_page_that_opens_says_who_it_is_and_no_more() -> None:
    overview = opening(config_overview(INPUT, [running(0), running(1)]))
    assert (overview.status, overview.metrics, overview.params) == ("RUNNING", {}, {})
    assert overview.tags["sweeper.kind"] == "config"
    assert "sweeper.state" not in overview.tags


def test_the_summary_names_the_best_mean_in_the_goals_direction() -> None:
    records = [ended(0, beta=1.0, loss=1.0), ended(1, beta=1.0, loss=3.0), ended(0, beta=2.0, loss=2.5)]
    overview = summary_overview(INPUT, records, {})
    assert overview.metrics["loss.best"] == 2.0
    assert "0 failed" not in overview.tags["sweeper.state"]
    assert "Best loss (mean over seeds): 2 at `beta=1`" in overview.tags["mlflow.note.content"]
    assert "sweeper run grid.yaml" in overview.tags["mlflow.note.content"]


def test_the_summary_has_each_claim_with_its_outcome_and_standing() -> None:
    late = "exploratory: written after 48 of 48 results"
    found = [
        {"name": "beta helps", "outcome": "pass", "status": "exploratory", "standing": late},
        {"name": "at no cost", "outcome": "fail", "status": "registered", "standing": ""},
    ]
    overview = summary_overview(INPUT, [ended(0, loss=1.0)], {"verdicts.json": json.dumps({"verdicts": found})})
    note = overview.tags["mlflow.note.content"]
    assert f"* pass: beta helps ({late})\n* fail: at no cost (registered)" in note


def test_a_nan_is_not_the_best() -> None:
    records = [ended(0, beta=1.0, loss=float("nan")), ended(0, beta=2.0, loss=2.5)]
    assert summary_overview(INPUT, records, {}).metrics["loss.best"] == 2.5


def test_the_digest_knows_figures_and_the_content_of_files(tmp_path: Path) -> None:
    (file := tmp_path / "report.html").write_text("one")
    first, same, other = (summary_overview(INPUT, [ended(0, loss=1.0)], {"report.html": file}) for _ in range(3))
    assert first.digest == same.digest
    file.write_text("two")
    assert other.digest != first.digest
    assert config_overview(INPUT, [ended(0, loss=1.0)]).digest != config_overview(INPUT, [ended(0, loss=2.0)]).digest


def test_a_run_shows_an_overview_only_if_digest_status_and_end_are_its_own() -> None:
    overview, state = config_overview(INPUT, [ended(0, loss=1.0)]), RunState()
    assert not state.shows(overview)
    state.adopt(Found("run", overview.status, end_ms=overview.end_ms, digest=overview.digest))
    assert state.shows(overview)
    state.adopt(Found("run", "RUNNING", end_ms=0, digest=overview.digest))
    assert not state.shows(overview)


def test_a_group_is_two_seeds_that_have_runs() -> None:
    pending = MirroredTrial(Record(make_trial(5, beta=1.0)))
    assert not RunState([MirroredTrial(ended(0)), pending]).is_group
    assert RunState([MirroredTrial(ended(0)), MirroredTrial(ended(1)), pending]).is_group


def test_the_settings_that_make_the_data_are_its_name_and_digest() -> None:
    made = [
        make_trial(seed, **{"task.name": name, "loss": 1.0}) for seed, name in ((0, "sum"), (1, "sum"), (0, "detour"))
    ]
    records = [Record(trial, 1, None, make_end(trial)) for trial in made]
    data = summary_overview(INPUT, records, {}).data
    assert [(one.name, one.source) for one in data] == [
        ("sum", '{"task.name":"sum"}'),
        ("detour", '{"task.name":"detour"}'),
    ]
    assert summary_overview(INPUT, [ended(0)], {}).data == []
