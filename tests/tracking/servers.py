"""Mirrors of imaginary sweeps in real MLflow: lives of trials, a store, a server, and a proxy that does it harm."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sweeper.tracking.database import connect
from sweeper.tracking.experiment import Experiment, Files
from sweeper.tracking.mirror import Mirror, artifact_root, store_uri, sync
from sweeper.tracking.trial_run import Mirrored
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial, Value

T0 = 1_700_000_000.0
COMMIT = {"mlflow.source.git.commit": "c0ffee"}


def a_trial(seed: int, beta: int = 0) -> Trial:
    config = f"c{beta:015x}"
    varied: dict[str, Value] = {"loss.beta": beta, "optim.name": "adam"}
    return Trial(f"{1000 * beta + seed:016x}", config, seed, varied, {"train.steps": 2000}, "cvae", "d" * 16)


def a_life(
    seed: int,
    state: State = State.COMPLETED,
    attempt: int = 1,
    reports: int = 3,
    beta: int = 0,
    alignment: float = 0.9,
) -> Record:
    """A trial from its start to its end, with `reports` points a metric."""
    trial, began = a_trial(seed, beta), T0 + 100 * attempt
    record = Record(trial, attempt, Started(trial.key, attempt, began, "cpu", "here"))
    for step in range(reports):
        metrics = {"loss": 1.0 / (step + 1), "accuracy": 0.1 * step}
        record.reports.append(Reported(trial.key, attempt, began + step + 1, 10 * step, metrics))
    last = record.reports[-1] if reports else None
    final = {**(last.metrics if last else {}), "alignment": alignment}
    end, steps = began + reports + 1, last.step if last else 0
    reason = "" if state is State.COMPLETED else f"it {state}"
    record.ended = Ended(trial.key, attempt, end, state, reason, final, steps, reports + 1.0, began, "cpu", "here")
    return record


def cut_short(record: Record) -> Record:
    """The record that a killed driver leaves: started, never ended."""
    return Record(record.trial, record.attempt, record.started, None, record.reports)


def events(record: Record) -> list[Event]:
    return [event for event in (record.started, *record.reports, record.ended) if event is not None]


@dataclass(frozen=True)
class Attached:
    """Attachments that are known beforehand, or an error."""

    content: Files | OSError

    def files(self) -> Files:
        if isinstance(self.content, OSError):
            raise self.content
        return self.content


class Sweep:
    """A results folder with an MLflow store, and what a driver does with it."""

    def __init__(self, folder: Path, uri: str = "") -> None:
        self.folder, self.uri = folder, uri or store_uri(folder)
        self.input = Experiment(folder.name if uri else "grid", "beta against JSD", tags=COMMIT)
        self.artifacts, self.attachments = artifact_root(folder), Attached({})

    def start(self, *records: Record) -> Mirror:
        mirror = Mirror(self.uri, self.artifacts, self.input)
        mirror.start(records)
        return mirror

    def run(self, *lives: Record, known: tuple[Record, ...] = ()) -> Mirrored:
        mirror = self.start(*known)
        push(mirror, *lives)
        mirror.finish(self.attachments)
        return mirror.close(60)

    def sync(self, *records: Record) -> Mirrored:
        return sync(self.uri, self.artifacts, self.input, records, self.attachments)

    @property
    def client(self) -> Any:
        return connect(self.uri)

    @property
    def experiment(self) -> str:
        """MLflow's number for it."""
        return str(self.client.get_experiment_by_name(self.input.name).experiment_id)

    @property
    def every(self) -> list[Any]:
        experiment = self.client.get_experiment_by_name(self.input.name)
        return list(self.client.search_runs([experiment.experiment_id])) if experiment else []

    @property
    def runs(self) -> list[Any]:
        """The runs of trials, and those that are not ours."""
        return [run for run in self.every if run.data.tags.get("sweeper.kind", "trial") == "trial"]

    def kind(self, kind: str) -> list[Any]:
        return [run for run in self.every if run.data.tags.get("sweeper.kind") == kind]

    @property
    def statuses(self) -> dict[str, str]:
        """Trial's seed -> status of its run; fails where a trial has two runs."""
        found = [(str(int(run.data.tags["sweeper.trial"], 16)), run.info.status) for run in self.runs]
        assert len(dict(found)) == len(found), f"a trial with two runs: {found}"
        return dict(found)

    def curve(self, run: Any, metric: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in self.client.get_metric_history(run.info.run_id, metric)]


def push(mirror: Mirror, *lives: Record) -> None:
    for life in lives:
        for event in events(life):
            mirror.push(life.trial, event)


def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.1)


class Server:
    """`sweeper ui` as a process: MLflow's server on a results folder, to be killed and started again."""

    def __init__(self, folder: Path, store: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"
        self.store = store or store_uri(folder)

    def start(self) -> None:
        call = f"serve({self.store!r}, {artifact_root(self.folder)!r}, '127.0.0.1', {self.port})"
        # A shell's background job is started with Ctrl-C ignored, and so is all that a test starts from there.
        hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        command = [sys.executable, "-c", f"{hear}; from sweeper.tracking.server import serve; {call}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{self.address}\n"

    def stop(self, sign: int = signal.SIGKILL) -> int:
        self.process.send_signal(sign)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        until(self.is_gone)
        return code

    def is_gone(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0


class Proxy:
    """Stands in front of a server and does to each request what `fault` says of its number, counted from 1.

    "" passes it on, "500" and the like answer so, "hold" passes it on once `release` is set, "lost" passes it on and
    drops the answer: the client cannot know that it was done.
    """

    def __init__(self, port: int) -> None:
        self.fault: Callable[[int], str] = lambda number: ""
        self.requests = 0
        self.release = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                proxy.requests += 1
                fault = proxy.fault(proxy.requests)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if fault.isdecimal():
                    self.close_connection = True
                    self.send_error(int(fault))
                    return
                if fault == "hold":
                    proxy.release.wait()
                there = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                headers = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "connection")}
                there.request(self.command, self.path, body, headers)
                answer = there.getresponse()
                content = answer.read()
                there.close()
                if fault == "lost":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy that runs."""
    proxy = Proxy(port)
    with proxy.server:
        thread = threading.Thread(target=proxy.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.release.set()
            proxy.server.shutdown()
            thread.join()
