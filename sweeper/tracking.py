"""The mirror: keeps an MLflow experiment equal to a sweep's records. The only file that imports mlflow.

The ledger is the truth; this is its copy. It may lag, be down, be deleted and be rebuilt, and never slows or stops a
sweep: the driver puts events in a queue, one thread writes them, and what goes wrong there is kept, tried again and
counted. Every connection begins by comparing the store with the records, so that a lost answer, a killed driver, an
emptied store and an ordinary first start are all the same case.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sweeper.mirrored import LONGEST_TAG, STATUS, Copy, Found, Mirrored, batches, ms, one_line, without_password
from sweeper.trial import Event, Record, Trial
from sweeper.ui import serve as serve

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL_S = 1.0  # one round of writing a second: the reports of a trial travel together
TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # runs of models, not traces of agents
LONGEST_PAUSE_S = 30.0  # between attempts while MLflow is away
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # we try again ourselves; MLflow's 7 retries take four minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "1",  # seconds; an older connection may lead into a file since deleted
}


def store_uri(results: Path) -> str:
    """The SQLite store of a results folder, absolute: Ray changes the working directory under a relative one."""
    return f"sqlite:///{results.resolve() / 'mlflow.db'}"


def artifact_root(results: Path) -> str:
    """Where the store of a results folder keeps artifacts: an absolute `file:` address."""
    return (results.resolve() / "mlartifacts").as_uri()


class Mirror:
    """Keeps an MLflow experiment equal to a sweep's records, from a thread of its own.

    `tags` are set on every run. The caller holds the sweep's lock: two mirrors of one sweep would each undo the other's
    running trials.
    """

    def __init__(self, uri: str, artifacts: str, experiment: str, description: str, tags: Mapping[str, str]) -> None:
        self._store = Store(uri, artifacts, experiment, description, dict(tags))
        self._copies: dict[str, Copy] = {}
        self._events: queue.SimpleQueue[tuple[Trial, Event]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sweeper-mirror", daemon=True)
        self._error = ""

    def start(self, records: Iterable[Record]) -> None:
        """Starts the thread. `records` is what the ledger knows of the sweep's trials, reports included."""
        self.load(records)
        self._thread.start()

    def push(self, trial: Trial, event: Event) -> None:
        """Takes note of an event; never blocks, never raises."""
        self._events.put((trial, event))

    def close(self, timeout_s: float) -> Mirrored:
        """Writes what is left, or gives up after `timeout_s` seconds and says what is behind."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._abandoned.set()
            self._drain()  # the thread no longer does
            self._error = self._error or f"{self._store.address} did not answer within {timeout_s:.0f} s"
        return self.standing()

    def load(self, records: Iterable[Record]) -> None:
        """Takes the records over: the driver goes on appending to its own while our thread reads ours."""
        self._copies = {r.trial.key: Copy(replace(r, reports=list(r.reports))) for r in records}

    def write(self, last: bool) -> bool:
        """One round: everything owed goes to MLflow. An error ends the round, and the next one begins by comparing."""
        copy: Copy | None = None
        try:
            self._store.open(self._copies)
            # A trial that MLflow refuses comes last, so that it holds up no other.
            for copy in sorted((c for c in self._copies.values() if c.owed), key=lambda c: c.refusals):
                if self._abandoned.is_set():
                    return False
                self._store.write(copy)
            for copy in self._copies.values():
                if last and copy.running:
                    self._store.interrupt(copy)
        except Exception as error:
            if copy is not None:
                copy.refusals += 1
            self._store.close()
            self._error = one_line(error, self._store.address)
            return False
        self._error = ""
        return True

    def standing(self) -> Mirrored:
        """How the mirror stands now; exact once the thread has ended or was given up."""
        copies = list(self._copies.values())
        return Mirrored(sum(bool(c.run) and not c.owed for c in copies), sum(c.owed for c in copies), self._error)

    def _loop(self) -> None:
        pause_s = 0.0
        while not self._abandoned.is_set():
            closing = self._closing.is_set()  # read before the queue: what was pushed before `close` gets written
            self._drain()
            if self.write(last=closing):
                pause_s = INTERVAL_S
                if closing:
                    return
            else:
                pause_s = 0.5 if closing else min(LONGEST_PAUSE_S, 2 * pause_s + 0.5)
            (self._abandoned if closing else self._closing).wait(pause_s)

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                trial, event = self._events.get_nowait()
                self._copies.setdefault(trial.key, Copy(Record(trial))).take(event)


def sync(
    uri: str, artifacts: str, experiment: str, description: str, tags: Mapping[str, str], records: Iterable[Record]
) -> Mirrored:
    """Writes whatever MLflow lacks, here and now: one run a trial, also into an empty store. Needs the lock too."""
    mirror = Mirror(uri, artifacts, experiment, description, tags)
    mirror.load(records)
    for _ in range(3):  # a trial that MLflow refuses, or a passing fault, must not keep the others out
        if mirror.write(last=True):
            break
    return mirror.standing()


class Store:
    """One experiment in MLflow: read once a connection, written a trial at a time. Raises what MLflow raises."""

    def __init__(self, uri: str, artifacts: str, experiment: str, description: str, tags: Mapping[str, str]) -> None:
        self.address = without_password(uri)
        self._uri = uri
        self._file = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
        # A server has artifact folders of its own, and may hold the sweeps of others.
        self._place = f"{artifacts}/{quote(experiment)}" if self._file else None
        self._name, self._description, self._results = experiment, description, artifacts
        tags = {**tags, "sweeper.sweep": experiment, "sweeper.results": artifacts}
        self._tags = {name: value[:LONGEST_TAG] for name, value in tags.items()}
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._inode = 0

    def open(self, copies: Mapping[str, Copy]) -> None:
        """Connects unless connected, and compares: afterwards each copy knows its run, and stale runs are gone."""
        if self._file is not None:
            self._see_to_the_file(self._file)
        if self._client is None:
            client = connect(self._uri)
            self._experiment = self._find_experiment(client)
            self._compare(client, copies)
            self._client = client

    def close(self) -> None:
        """Forgets the connection, so that the next `open` compares again."""
        self._client = None

    def write(self, copy: Copy) -> None:
        """Brings the run of a trial up to its record: made, filled and ended in three calls when it is new.

        On SQLite these take 20 ms (26 parameters, 10 reports of 5 metrics), nearly all of it in MLflow's own code.
        """
        assert self._client is not None
        from mlflow.entities import Metric, Param, RunTag

        ended, reports = copy.record.ended, len(copy.record.reports)
        if copy.outdated:
            self._client.delete_run(copy.outdated)
            copy.outdated = ""
        made = not copy.run
        if made:
            tags = {**self._tags, **copy.tags()}
            run = self._client.create_run(self._experiment, copy.start_ms(), tags, copy.record.trial.name[:250])
            copy.run = run.info.run_id
        new_params = [] if copy.opened else [Param(*item) for item in copy.params().items()]
        new_tags = [RunTag(*item) for item in copy.tags().items()] if ended and not made else []
        new_metrics = [Metric(*point) for point in copy.new_points()]
        for batch in batches(new_metrics, new_params, new_tags):
            self._client.log_batch(copy.run, *batch, synchronous=True)  # whatever the environment says
        copy.opened, copy.points = True, reports
        if ended is not None:
            # Last of all: a run that has ended is a whole one.
            self._client.set_terminated(copy.run, STATUS[ended.state], ms(ended.at))
            copy.complete = True

    def interrupt(self, copy: Copy) -> None:
        """Ends the run of a trial that the driver leaves unfinished; the next attempt replaces it."""
        assert self._client is not None
        self._client.set_tag(copy.run, "sweeper.state", "interrupted")
        self._client.set_terminated(copy.run, "KILLED")

    def _see_to_the_file(self, file: Path) -> None:
        make_database(file)
        inode, self._inode = self._inode, file.stat().st_ino
        if inode not in (0, self._inode):
            self.close()
            time.sleep(1.1)  # until MLflow's connections into the deleted file are too old to be used

    def _find_experiment(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self._name)
        if found is None:
            tags = {"mlflow.note.content": self._description, **TRAINING}
            return str(client.create_experiment(self._name, self._place, tags))
        if found.lifecycle_stage == "deleted":  # its name is taken for good: the only way back is to restore it
            client.restore_experiment(found.experiment_id)
        if found.tags.get("mlflow.note.content", "") != self._description:
            client.set_experiment_tag(found.experiment_id, "mlflow.note.content", self._description)
        return str(found.experiment_id)

    def _compare(self, client: MlflowClient, copies: Mapping[str, Copy]) -> None:
        for known in copies.values():
            known.forget()
        # Whole runs first: a second run of the same trial is then the one to remove.
        for found in sorted(find_runs(client, self._experiment), key=lambda found: found.status == "RUNNING"):
            copy = copies.get(found.trial)
            if copy is not None and copy.adopt(found):
                continue
            foreign = self._file is None and found.results != self._results  # a colleague's, on a shared server
            forgotten = copy is None and found.status != "RUNNING"  # the result of a trial no longer in the sweep file
            if not (foreign or forgotten):
                client.delete_run(found.run)


def find_runs(client: MlflowClient, experiment: str) -> list[Found]:
    """Our active runs in an experiment, page by page; runs that someone added by hand are left out."""
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=200, page_token=token)
        for info, tags in ((run.info, run.data.tags) for run in page if "sweeper.trial" in run.data.tags):
            names = (tags.get(f"sweeper.{name}", "") for name in ("trial", "attempt", "results"))
            runs.append(Found(info.run_id, info.status, info.end_time or 0, *names))
        token = page.token
        if not token:
            return runs


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
