"""MLflow stores as they are opened: a client that keeps quiet, and a SQLite database that is whole or not there."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # we try again ourselves; MLflow's 7 retries take four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1",  # seconds; an older connection may lead into a file since deleted
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

PLACES = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}


def connect(uri: str) -> MlflowClient:
    """A client, of an MLflow that keeps quiet: no telemetry, no log lines, short waits. A user's own settings stand."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3.connectionpool"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def make_database(path: Path) -> None:
    """Creates and migrates a SQLite store beside its place, then links it there: whoever races us finds a whole one.

    Raises what is wrong with the path at once: MLflow would try for 100 s.
    """
    if {"%", "?"} & set(str(path)):
        raise ValueError(f"MLflow cannot open a store with % or ? in its path: {path}")
    if path.exists() and path.stat().st_size:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        beside.touch()
        connect(f"sqlite:///{beside}")
        if path.exists() and not path.stat().st_size:  # what SQLite leaves when it opens a file that is not there
            path.unlink()
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def mend_places(path: Path, artifacts: str) -> None:
    """Point the experiments of a results folder's own store to the artifacts beside it, where they name another place.

    MLflow keeps absolute addresses: a folder that was moved or copied would read and write artifacts where it was. An
    experiment stays as it is where only the place that it names is there, and so does a store that is not beside
    `artifacts` (a `file:` address).
    """
    here = path.with_name("mlartifacts").resolve()
    if artifacts != here.as_uri() or not path.exists():
        return
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if "experiments" not in tables:
            return
        for number, old in database.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall():
            root, _, name = str(old or "").rpartition("/")
            if root == artifacts or not root.endswith("/mlartifacts") or urlsplit(root).scheme != "file":
                continue
            if Path(unquote(urlsplit(old).path)).exists() and not (here / unquote(name)).exists():
                continue
            for table, column in PLACES.items():
                if table in tables:  # older versions of MLflow lack some
                    database.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                        f"WHERE experiment_id = ? AND ({column} = ? OR substr({column}, 1, ?) = ?)",
                        (f"{artifacts}/{name}", len(old) + 1, number, old, len(old) + 1, f"{old}/"),
                    )
