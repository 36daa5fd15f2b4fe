"""Views as MLflow's UI reads them; test_server_browser.py looks at them."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from sweeper.tracking.experiment import Experiment
from sweeper.tracking.saved_views import CONFIGS, TRIALS, VIEW_TAG, link, views
from tests.records import make_trial

INPUT = Experiment("grid", "", goals={"loss": False})
LINES = [make_trial(0, beta=1.0, rate=0.1), make_trial(0, beta=2.0, rate=0.1)]


def state(tags: dict[str, str], view: str) -> dict[str, Any]:
    packed = json.loads(tags[VIEW_TAG + view])["state"].removeprefix("deflate;")
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def test_the_view_of_trials_has_what_varies_the_seed_and_the_metrics_best_first() -> None:
    seen = state(views(INPUT, LINES, ["kl", "loss"], grouped=False), TRIALS)
    assert seen["searchFilter"] == "tags.`sweeper.kind` = 'trial'"
    assert seen["selectedColumns"][:-1] == ["params.`beta`", "params.`seed`", "metrics.`loss`", "metrics.`kl`"]
    assert (seen["orderByKey"], seen["orderByAsc"]) == ("metrics.`loss`", True)


def test_the_lines_of_parallel_coordinates_are_coloured_by_the_goal() -> None:
    parallel = state(views(INPUT, LINES, ["kl", "loss"], grouped=False), TRIALS)["compareRunCharts"][0]
    assert (parallel["selectedParams"], parallel["selectedMetrics"]) == (["beta"], ["kl", "loss"])


def test_configurations_have_a_view_where_there_are_several_seeds() -> None:
    assert VIEW_TAG + CONFIGS not in views(INPUT, LINES, ["loss"], grouped=False)
    seen = state(views(INPUT, LINES, ["loss"], grouped=True), CONFIGS)
    assert "metrics.`loss.mean`" in seen["selectedColumns"]
    assert seen["orderByKey"] == "metrics.`loss.mean`"


def test_the_same_sweep_gives_the_same_views() -> None:
    assert views(INPUT, LINES, ["loss"], grouped=True) == views(INPUT, LINES, ["loss"], grouped=True)


def test_views_fit_into_a_tag_whatever_the_names() -> None:
    trials = [make_trial(0, **{f"{'long' * 40}.{i}": float(v) for i in range(60)}) for v in (1, 2)]
    metrics = [f"{'metric' * 30}{i}" for i in range(60)]
    assert all(len(tag) <= 5000 for tag in views(INPUT, trials, metrics, grouped=True).values())


def test_a_link_names_the_experiment_and_the_view() -> None:
    assert link("7", TRIALS) == "/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=sweeper-trials"
