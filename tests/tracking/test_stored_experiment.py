from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.tracking.database import connect, make_database
from sweeper.tracking.stored_experiment import experiment_source
from sweeper.trial import State


def test_runs_become_trials_and_the_store_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    make_database(file)
    client = connect(f"sqlite:///{file}")
    experiment = client.create_experiment("mine")
    parent = client.create_run(experiment, 1000).info.run_id
    for number, status in enumerate(("FINISHED", "FAILED", "KILLED", "RUNNING")):
        run = client.create_run(experiment, 2000 + number, {"mlflow.parentRunId": parent}, f"run-{number}").info.run_id
        client.log_param(run, "lr", 0.1)
        client.log_param(run, "big", number > 0)
        for step in (0, 10):
            client.log_metric(run, "loss", 1 / (step + 1), timestamp=3000 + step, step=step)
        client.log_metric(run, "system/cpu", 3.0)
        if status != "RUNNING":
            client.set_terminated(run, status, 4000)
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    found = experiment_source(str(file), "")
    assert [trial.state for trial in found.trials] == [State.COMPLETED, State.FAILED, State.STOPPED]
    first = found.trials[0]
    assert first.params == {"lr": 0.1, "big": False}
    assert first.metrics == {"loss": 1 / 11}
    assert first.curve == [(0, {"loss": 1.0}), (10, {"loss": 1 / 11})]
    assert (first.where, first.started_at, first.ended_at, first.steps) == ("run run-0", 2.0, 4.0, 10)
    assert (found.unfinished, found.notes) == (1, ["1 run with nested runs left out"])
    assert found.text == "experiment mine of mlflow.db"
    with pytest.raises(UsageError, match=r"--experiment: no such experiment\n  found: yours\n  allowed: mine, Default"):
        experiment_source(f"sqlite:///{file}", "yours")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before


def test_what_is_no_store_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder of MLflow"):
        experiment_source(str(tmp_path), "")
    with pytest.raises(UsageError, match="no such file"):
        experiment_source(f"sqlite:///{tmp_path / 'missing.db'}", "")
    assert [*tmp_path.iterdir()] == []


def test_an_infinite_metric_is_infinite(tmp_path: Path) -> None:
    """MLflow writes 1.797e308 into a database for it; that was a result, and broke plots."""
    file = tmp_path / "mlflow.db"
    make_database(file)
    client = connect(f"sqlite:///{file}")
    run = client.create_run(client.create_experiment("mine")).info.run_id
    for step, value in enumerate((1.0, -math.inf, math.nan, math.inf)):
        client.log_metric(run, "loss", value, step=step)
    client.set_terminated(run)
    (trial,) = experiment_source(str(file), "").trials
    assert trial.metrics == {"loss": math.inf}
    assert [repr(values["loss"]) for _, values in trial.curve] == ["1.0", "-inf", "nan", "inf"]
