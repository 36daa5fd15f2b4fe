"""MLflow stores as they are opened: a client that keeps quiet, a SQLite database that is whole, what is wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import urllib.error
import urllib.request
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

ABANDONED_S = 600.0
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
    """Creates and migrates a SQLite store under a temporary name, then links it there: other processes see it complete.

    Raises what is wrong with the path at once: MLflow would try for 100 s.
    """
    if problem := unusable(path):
        raise ValueError(f"{problem}, move the results folder first: {path}")
    _remove_abandoned(path)
    if path.exists() and path.stat().st_size:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        temporary.touch()
        connect(f"sqlite:///{temporary}")
        if path.exists() and not path.stat().st_size:  # what SQLite leaves when it opens a file that is not there
            path.unlink()
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def unusable(path: Path) -> str:
    """Why MLflow cannot open a store at this path, "" where it can: parts of it read the path as an address."""
    return "MLflow cannot open a store with % or ? in its path" if {"%", "?"} & set(str(path)) else ""


def _remove_abandoned(path: Path) -> None:
    """Stores that a process which was killed had not finished; what another one makes right now is newer."""
    for temporary in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - temporary.stat().st_mtime > ABANDONED_S:
                temporary.unlink()


def another_version(address: str, revision: str) -> str:
    """What to do about a database whose schema, `revision` of its migrations, is not that of the MLflow installed.

    MLflow calls both kinds "out-of-date": one that it knows is older, and can be upgraded; another one is newer.
    """
    import mlflow  # already imported by whatever met such a database
    from alembic.script import ScriptDirectory

    migrations = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    version = f"MLflow {mlflow.__version__}, which is installed here"
    if any(one.revision == revision for one in migrations.walk_revisions()):
        return f"{address} is older than {version}: back it up, then `mlflow db upgrade {address}`"
    return (
        f"{address} was made by a newer MLflow than {version} (it lacks schema {revision}): `pip install --upgrade "
        "mlflow`, or name another store with tracking.uri; `mlflow db upgrade` cannot help"
    )


def first_line(url: str, status: int) -> str:
    """The text of a server's error of this HTTP status, requested once more without a log-in; "" for another answer."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as answer:
        with contextlib.suppress(OSError):
            lines = answer.read(10_000).decode(errors="replace").split("\n") if answer.code == status else []
            return next((" ".join(line.split()) for line in lines if line.strip()), "")
    except (OSError, ValueError):
        pass
    return ""


def mend_places(path: Path, artifacts: str) -> None:
    """Point the experiments of a results folder's own store to the artifacts next to it, where they name another place.

    MLflow keeps absolute addresses: a folder that was moved or copied would read and write artifacts where it was. An
    experiment stays as it is where only the place that it names is there, and so does a store that is not next to
    `artifacts` (a `file:` address) or cannot be written.
    """
    here = path.with_name("mlartifacts").resolve()
    if artifacts != here.as_uri() or not os.access(path, os.W_OK):
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
