"""Trials that have ended as rows of MLflow's own tables, many in one transaction, in a SQLite store.

MLflow's client takes some 15 ms a run, nearly all in its own code, and two hundred short trials end in a second. The
rows are those that the client writes (a test compares them), in a database of the schema that this file knows; in any
other nothing is written, and the client has to do it.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.mirrored import Point

SCHEMAS = frozenset({"dc11669786a5"})  # MLflow's revisions whose tables are as below (3.17)
PATIENCE_S = 10.0  # while another process writes
LARGEST = 1.7976931348623157e308  # what MLflow stores for an infinity

RUN = """INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
VALUES (?, ?, 'UNKNOWN', '', '', 'unknown', ?, ?, ?, '', 'active', ?, ?)"""
TAG = "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)"
PARAM = "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)"
METRIC = "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"
LATEST = "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"
PLACE = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"

Row = tuple[str, float, int, int, bool]  # of metrics: key, value, timestamp, step, is_nan


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended, whole: names are legal, texts no longer than MLflow takes, times in milliseconds."""

    name: str
    status: str
    start_ms: int
    end_ms: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[Point]


def insert(file: Path, experiment: str, runs: Sequence[Run]) -> list[str]:
    """Write runs, all or none; their ids, or [] where they could not be written: MLflow's client will say why."""
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE_S)) as database, database:
            place = _place(database, experiment)
            return [_insert(database, experiment, place, run) for run in runs] if place is not None else []
    except (sqlite3.Error, OverflowError, ValueError):
        return []


def _place(database: sqlite3.Connection, experiment: str) -> str | None:
    """Where the artifacts of an experiment lie; None for a schema or an experiment that is not as we know it."""
    if {revision for (revision,) in database.execute("SELECT version_num FROM alembic_version")} - SCHEMAS:
        return None
    found = database.execute(PLACE, (int(experiment),)).fetchone()
    return str(found[0]).rstrip("/") if found and found[0] else None


def _insert(database: sqlite3.Connection, experiment: str, place: str, run: Run) -> str:
    key = uuid.uuid4().hex
    times = (run.status, run.start_ms, run.end_ms)
    database.execute(RUN, (key, run.name, *times, f"{place}/{key}/artifacts", int(experiment)))
    tags = {"mlflow.runName": run.name, **run.tags}
    database.executemany(TAG, ((name, value, key) for name, value in tags.items()))
    database.executemany(PARAM, ((name, value, key) for name, value in run.params.items()))
    points = list(dict.fromkeys(_row(*point) for point in run.points))
    database.executemany(METRIC, ((*point, key) for point in points))
    database.executemany(LATEST, ((*point, key) for point in _latest(points)))
    return key


def _row(name: str, value: float, at_ms: int, step: int) -> Row:
    if math.isnan(value):
        return name, 0.0, at_ms, step, True
    return name, max(-LARGEST, min(LARGEST, value)), at_ms, step, False


def _latest(points: Iterable[Row]) -> Iterator[Row]:
    """Of each metric the point that MLflow shows: of the largest step, then time, then value."""
    latest: dict[str, Row] = {}
    for point in points:
        name, value, at_ms, step, _ = point
        last = latest.get(name)
        if last is None or (step, at_ms, value) > (last[3], last[2], last[1]):
            latest[name] = point
    yield from latest.values()
