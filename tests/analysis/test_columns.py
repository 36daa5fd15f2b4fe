"""A metric with the name of a parameter or of a bookkeeping column: both are kept, under the same names everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.analysis.claims.verify import judge
from sweeper.analysis.columns import metric_columns
from sweeper.analysis.comparison import compare
from sweeper.analysis.sweep_results import SweepResults
from sweeper.errors import UsageError
from sweeper.reporting.figures import KINDS, FigureContext, ImageFormat, RenderedFigure, draw
from sweeper.reporting.tables import pivot, tables
from sweeper.spec.claims.convert import claim
from sweeper.spec.claims.keys import ClaimKeys
from sweeper.trial import Record
from tests.records import make_end, make_trial
from tests.reporting.figures.sweeps import write

TEXT = """\
name: toy
metric: {name: lr, goal: minimize}
parameters: {lr: {values: [0.1, 0.2]}, state: {values: [1, 2]}}
seeds: 2
"""


@pytest.fixture
def results(tmp_path: Path) -> SweepResults:
    points = [{"lr": lr, "state": state} for lr in (0.1, 0.2) for state in (1, 2)]

    def scores(point: dict[str, float], seed: int) -> dict[str, float]:
        return {"lr": 7.0 + point["lr"] + seed, "seed": 5.0, "steps": 3.5, "loss": 1.0 + seed}

    return SweepResults(write(tmp_path, points, scores, seeds=2, text=TEXT))


def test_no_column_of_a_table_is_overwritten(results: SweepResults) -> None:
    trials, configs = results.trials, results.configs
    assert trials["lr"].tolist() == [0.1] * 4 + [0.2] * 4
    assert trials["metric.lr"].tolist() == pytest.approx([7.1, 8.1] * 2 + [7.2, 8.2] * 2)
    assert trials["seed"].tolist() == [0, 1] * 4
    assert set(trials["metric.seed"]) == {5}
    assert set(trials["steps"]) == {10}
    assert set(trials["metric.steps"]) == {3.5}
    assert set(trials["state"]) == {"completed"}
    assert trials["params.state"].tolist() == [1, 1, 2, 2] * 2
    assert configs["metric.lr.mean"].tolist() == pytest.approx([7.6, 7.6, 7.7, 7.7])
    assert configs["lr"].tolist() == [0.1, 0.1, 0.2, 0.2]
    assert set(results.curves.metric) == {"metric.lr", "metric.seed", "metric.steps", "loss"}


def test_goals_headlines_conditions_and_pivots_use_the_names_of_the_columns(results: SweepResults) -> None:
    assert (results.headlines, results.maximize("metric.lr"), results.maximize("lr")) == (["metric.lr"], False, None)
    assert len(tables.filtered(results.trials, "metric.lr > 8 and lr < 0.15")) == 2
    made = pivot.pivot(results.trials, results.varied, ["lr", "params.state", "metric.lr"])
    assert pivot.as_frame(made)["params.state=1"].tolist() == pytest.approx([7.6, 7.7])
    with pytest.raises(UsageError, match=r"metric\.lr"):
        pivot.pivot(results.trials, results.varied, ["lr", "params.state", "lr"])


@pytest.mark.parametrize("kind", ["heatmap", "curves"])
def test_a_figure_shows_the_metric_not_the_parameter(results: SweepResults, kind: str) -> None:
    [drawn] = draw(KINDS[kind], FigureContext(results), {ImageFormat.SVG})
    assert isinstance(drawn, RenderedFigure)
    assert drawn.metric == "metric.lr"
    assert b"metric.lr" in drawn.content[ImageFormat.SVG]


@pytest.mark.parametrize("name", ["lr", "metric.lr"])
def test_a_claim_is_about_the_metric_by_either_name(results: SweepResults, name: str) -> None:
    keys = ClaimKeys.model_validate({"name": "c", "metric": name, "within": [7, 9], "over": "trials"})
    [verdict] = judge([claim(keys)], results.history.planned(), results.folder.folder)
    assert (verdict.outcome, verdict.n) == ("pass", 8)


def test_a_comparison_names_metrics_as_the_tables_do(results: SweepResults) -> None:
    assert compare(results.history, results.history).metrics[0].metric == "metric.lr"


def test_a_metric_keeps_its_name_unless_a_column_over_the_seeds_has_it_or_an_odd_metric_does() -> None:
    trial = make_trial(x=1, **{"loss.mean": 2})
    record = Record(trial, ended=replace(make_end(trial), metrics={"x": 1.0, "loss": 2.0, "gap": 3.0, "metric.x": 4.0}))
    assert metric_columns([record]) == {
        "x": "metric.metric.x", "loss": "metric.loss", "gap": "gap", "metric.x": "metric.x",
    }  # fmt: skip
