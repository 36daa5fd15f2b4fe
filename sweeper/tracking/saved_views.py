"""Views of an experiment in MLflow's UI: which runs, columns and charts it opens with, instead of its bare default.

MLflow's UI keeps what its menu `Views` saves in tags of the experiment, and opens the one that a link names. The form
is that of MLflow 3 (components `experiment-page` of its UI: `mlflow.sharedViewState.ID`, an envelope with a name and
the state that it was saved from, deflated). An older UI takes what it knows of it and ignores the rest.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence

from sweeper.tracking.experiment import Experiment
from sweeper.tracking.limits import LONGEST_TAG, legal
from sweeper.trial import Trial

VIEW_TAG = "mlflow.sharedViewState."
TRIALS, CONFIGS = "sweeper-trials", "sweeper-configs"
STATE = "tags.`sweeper.state`"
MOST_PARAMETERS, MOST_COLUMNS = 8, 6


def views(experiment: Experiment, trials: Sequence[Trial], metrics: Sequence[str], grouped: bool) -> dict[str, str]:
    """The tags of an experiment that give it views: of the trials and, where seeds are grouped, of configurations.

    `trials` show which parameters vary, `metrics` are those seen. The same arguments give the same tags.
    """
    names = dict.fromkeys(legal(name) for trial in trials for name in trial.varied)
    varied = [name for name in names if len({str(trial.params.get(name)) for trial in trials}) > 1 or len(trials) == 1]
    shown = [legal(name) for name in experiment.headlines(metrics)][:MOST_COLUMNS]
    goal, maximize = next(iter(experiment.goals.items()), (shown[0] if shown else "", True))
    order = (legal(goal), maximize)
    made = {TRIALS: ("Trials", _state("trial", varied[:MOST_PARAMETERS], ["seed"], shown, order))}
    if grouped:
        figures = [f"{name}.{part}" for name in shown[:3] for part in ("mean", "std", "n")]
        best = (f"{order[0]}.mean", maximize)
        made[CONFIGS] = ("Configurations", _state("config", varied[:MOST_PARAMETERS], [], figures, best))
    tags = {f"{VIEW_TAG}{key}": _envelope(name, state) for key, (name, state) in made.items()}
    return {name: tag for name, tag in tags.items() if len(tag) <= LONGEST_TAG}


def link(experiment_id: str, view: str = "") -> str:
    """The address of the runs, with a view of them if one is named, below the address of the UI."""
    chosen = f"&viewStateShareKey={view}" if view else ""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning{chosen}"


def _state(
    kind: str, varied: Sequence[str], other: Sequence[str], metrics: Sequence[str], order: tuple[str, bool]
) -> dict[str, object]:
    """The state of MLflow's page of runs: a filter, an order, columns, and charts for its chart mode."""
    columns = [*(f"params.`{name}`" for name in (*varied, *other)), *(f"metrics.`{name}`" for name in metrics)]
    axes = [name for name in metrics if not name.endswith((".std", ".n"))]
    overview, single = _section("Parameters and metrics", columns=1), _section("Metrics", columns=3)
    one_each = {"type": "LINE" if kind == "trial" else "BAR"}
    coloured_last = [*axes[1:4], *axes[:1]]  # MLflow colours the lines by the last metric: the goal
    parallel = {"type": "PARALLEL", "selectedParams": list(varied), "selectedMetrics": coloured_last}
    charts = [_chart(overview, "parallel", showAllRuns=True, **parallel)]
    charts += [_chart(single, name, metricKey=name, displayName=name, **one_each) for name in axes]
    return {
        "searchFilter": f"tags.`sweeper.kind` = '{kind}'",
        "orderByKey": f"metrics.`{order[0]}`",
        "orderByAsc": not order[1],
        "selectedColumns": [*columns, STATE],
        "columnOrder": [*columns, STATE],
        "compareRunCharts": charts,
        "compareRunSections": [overview, single],
        "runsHiddenMode": "SHOW_ALL",
    }


def _section(name: str, columns: int) -> dict[str, object]:
    about = {"uuid": f"sweeper {name}", "name": name, "columns": columns, "cardHeight": 360}
    return {**about, "display": True, "isReordered": False, "deleted": False, "isGenerated": False}


def _chart(section: Mapping[str, object], name: str, **kind: object) -> dict[str, object]:
    about = {"uuid": f"sweeper {name}", "metricSectionId": section["uuid"], "runsCountToCompare": 100}
    return {**about, "deleted": False, "isGenerated": False, **kind}


def _envelope(name: str, state: Mapping[str, object]) -> str:
    packed = zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)
    text = "deflate;" + base64.b64encode(packed).decode("ascii")
    return json.dumps({"name": name, "createdAt": 0, "state": text}, separators=(",", ":"))
