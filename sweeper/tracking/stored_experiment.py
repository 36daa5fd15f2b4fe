"""An MLflow experiment that another program logged, as the source of an import."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sweeper.errors import Problem, UsageError
from sweeper.importing.snapshot import path_of, snapshot
from sweeper.importing.source import ImportSource, SourceTrial, shown
from sweeper.importing.values import STATES, typed_columns
from sweeper.redaction import without_login
from sweeper.tracking.database import connect
from sweeper.tracking.limits import one_line
from sweeper.trial import State
from sweeper.value_text import plural

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TABLES = ("experiments", "runs", "metrics", "params")
_PARENT = "mlflow.parentRunId"
_OWN = "system/"  # MLflow's measurements of the machine


def experiment_source(address: str, name: str) -> ImportSource:
    """The runs of an experiment in an MLflow store: a SQLite file, a folder `mlruns`, or an address. It is not changed.

    `name` may be "" where one experiment has runs. Runs that others are nested in are no trials. Raises UsageError.
    """
    text = without_login(address)
    try:
        with _client(address) as client:
            experiment = _experiment(client, name, text)
            runs = _runs(client, experiment.experiment_id)
            parents = {run.data.tags.get(_PARENT) for run in runs}
            trials = [run for run in runs if run.info.run_id not in parents and _is_trial(run)]
            ended = [run for run in trials if STATES.get(run.info.status.lower()) is not None]
            if not ended:
                raise UsageError(Problem("no run of this experiment has ended", text, "--experiment", experiment.name))
            params = typed_columns([run.data.params for run in ended])
            made = [_trial(client, run, found) for run, found in zip(ended, params, strict=True)]
    except UsageError:
        raise
    except Exception as error:  # MLflow, SQLAlchemy and requests raise errors of their own
        raise UsageError(Problem(f"MLflow cannot read it: {one_line(error, text)}", text)) from None
    nested = len(runs) - len(trials)
    notes = [f"{plural(nested, 'run')} with nested runs left out"] if nested else []
    return ImportSource(
        "mlflow", f"experiment {experiment.name} of {_short(address)}", made, len(trials) - len(ended), notes=notes
    )


@contextmanager
def _client(address: str) -> Iterator[MlflowClient]:
    path = path_of(address)
    if path is not None and path.is_dir():
        if not any((child / "meta.yaml").is_file() for child in path.iterdir()):
            hint = "name the folder mlruns itself, or a SQLite file"
            raise UsageError(Problem("not a folder of MLflow", str(path), hint=hint))
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # MLflow opens such a folder only where this is set
        yield connect(path.resolve().as_uri())
        return
    with nullcontext(address) if path is None else snapshot(path, _TABLES, "MLflow") as url:
        yield connect(url)


def _experiment(client: MlflowClient, name: str, text: str) -> Any:
    found = {one.name: one for one in client.search_experiments()}
    if name:
        if name not in found:
            raise UsageError(
                Problem("no such experiment", text, "--experiment", name, shown([*found]) or "there is none")
            )
        return found[name]
    used = [one for one in found.values() if client.search_runs([one.experiment_id], max_results=1)]
    if len(used) != 1:
        names = shown([one.name for one in used]) or "none has a run"
        raise UsageError(Problem("which experiment?", text, "--experiment", "", names, "--experiment NAME"))
    return used[0]


def _runs(client: MlflowClient, experiment: str) -> list[Any]:
    """Every run, the first begun first."""
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment], max_results=1000, order_by=["attributes.start_time ASC"], page_token=token
        )
        runs += page
        token = page.token
        if not token:
            return runs


def _is_trial(run: Any) -> bool:
    """Not a page of ours: a summary, or a configuration of which no seed is there."""
    return bool(run.data.tags.get("sweeper.kind", "trial") == "trial")


def _trial(client: MlflowClient, run: Any, params: dict[str, Any]) -> SourceTrial:
    info, tags = run.info, run.data.tags
    metrics = {name: _number(value) for name, value in run.data.metrics.items() if not name.startswith(_OWN)}
    state = STATES[tags.get("sweeper.state", info.status).lower()] or STATES[info.status.lower()]
    curve = _curve(client, info.run_id, [*metrics])
    return SourceTrial(
        id=info.run_id,
        where=f"run {tags.get('mlflow.runName') or info.run_id}",
        params=params,
        metrics=metrics,
        state=state or State.COMPLETED,
        reason=tags.get("sweeper.reason", ""),
        curve=curve if len(curve) > 1 else (),
        steps=curve[-1][0] if curve else 0,
        started_at=info.start_time / 1000 if info.start_time else None,
        ended_at=info.end_time / 1000 if info.end_time else None,
    )


def _number(value: float) -> float:
    """A value of a metric; the databases of MLflow hold the largest number for an infinite one."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else float(value)


def _curve(client: MlflowClient, run: str, names: Sequence[str]) -> list[tuple[int, dict[str, float]]]:
    points: dict[int, dict[str, float]] = {}
    for name in names:
        for point in client.get_metric_history(run, name):
            points.setdefault(point.step, {})[name] = _number(point.value)
    return sorted(points.items())


def _short(address: str) -> str:
    path = path_of(address)
    return path.name if path is not None else without_login(address)
