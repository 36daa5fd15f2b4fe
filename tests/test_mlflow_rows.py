"""Rows that we write are the runs that MLflow's own client makes."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mirrors import Sweep, a_life

from sweeper import mlflow_rows
from sweeper.mlflow_rows import Run, insert
from sweeper.mlflow_store import Store
from sweeper.trial import Record, State

# MLflow's own models use what SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")
RUN = Run("x=1", "FINISHED", 1000, 2000, {"kind": "trial"}, {"x": "1"}, [("loss", 1.0, 1500, 1)])


def odd(seed: int) -> Record:
    """A trial whose reports have every kind of number, and whose end differs from its last report."""
    one = a_life(seed, reports=5)
    values = (math.nan, math.inf, -math.inf, 5e-324, 3.0)
    for place, value in enumerate(values):
        one.reports[place] = replace(one.reports[place], metrics={"loss": value, "a=b c": value})
    return one


def tables(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the store of a folder holds of trials' runs, with numbers in place of the runs' random ids."""
    database = sqlite3.connect(folder / "mlflow.db")
    runs = database.execute("SELECT run_uuid, name FROM runs ORDER BY name, start_time")
    ids = {key: f"run {number} {name}" for number, (key, name) in enumerate(runs)}

    def named(value: Any) -> Any:
        for key, name in ids.items():
            value = value.replace(key, name) if isinstance(value, str) else value
        return value.replace(str(folder), "") if isinstance(value, str) else value

    return {
        table: sorted((tuple(map(named, row)) for row in database.execute(f"SELECT * FROM {table}")), key=str)
        for table in TABLES
    }


def test_the_rows_are_those_of_mlflows_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lives = (a_life(1), a_life(2, State.FAILED), odd(3), a_life(1, State.PRUNED, beta=1, reports=0))
    by_rows, by_client = Sweep(tmp_path / "rows"), Sweep(tmp_path / "client")
    for sweep in (by_rows, by_client):
        sweep.told = replace(sweep.told, name="grid")
    with monkeypatch.context() as patched:
        patched.delattr(Store, "write")  # the client's way
        assert by_rows.sync(*lives).is_whole
    monkeypatch.setattr(mlflow_rows, "SCHEMAS", frozenset())
    assert by_client.sync(*lives).is_whole
    assert tables(by_rows.folder) == tables(by_client.folder)


def test_a_schema_we_do_not_know_is_left_to_mlflow(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "other.db")
    database.executescript("CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('later')")
    assert insert(tmp_path / "other.db", "1", [RUN]) == []


def test_all_runs_are_written_or_none(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.sync(a_life(1))
    before = tables(tmp_path)
    too_large = replace(RUN, points=[("loss", 1.0, 1500, 2**70)])
    assert insert(tmp_path / "mlflow.db", sweep.experiment, [RUN, too_large]) == []
    assert tables(tmp_path) == before
