"""MLflow's own UI on the store of a results folder: child processes on loopback that end when we do."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.error import URLError
from urllib.parse import quote

from sweeper import process_group
from sweeper.errors import Problem, ScheduleError, UsageError
from sweeper.tracking import ui_app
from sweeper.tracking.database import mend_places, unusable
from sweeper.tracking.saved_views import VIEW_TAG, link

START_S = 90.0  # MLflow imports for 5 to 10 s on two cores, and longer during a busy sweep
STOP_S = 5.0
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # no job runners: we only look
}
MOST_LINKS = 10
VIEWS = """
    SELECT e.experiment_id, e.name, t.key FROM experiments e JOIN experiment_tags t USING (experiment_id)
    WHERE t.key LIKE ? AND e.lifecycle_stage = 'active' ORDER BY e.experiment_id DESC, t.key LIMIT ?
"""


def serve(uri: str, artifacts: str, host: str = "127.0.0.1", port: int = 5000) -> None:
    """Serves MLflow's UI until Ctrl-C, and prints its address once it answers; for a remote `uri`, only the address.

    Raises `UsageError` for a host that others can reach, a port in use and a store that is not there yet, and
    `ScheduleError` with the server's last words if it does not start.
    """
    if uri.startswith(("http://", "https://")):
        print(uri, flush=True)
        return
    _check_loopback(host, port)
    _check_store(uri)
    _check_free(host, port)
    if uri.startswith("sqlite:///"):
        mend_places(Path(uri.removeprefix("sqlite:///")), artifacts)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with (
        tempfile.TemporaryFile("w+", errors="replace") as log,
        _running(_command(uri, artifacts, host, port), log) as it,
    ):
        print("starting the MLflow server ...", file=sys.stderr, flush=True)
        _wait_until_it_answers(it, address, log)
        print(address, flush=True)
        print("\n".join(where_to_look(uri, address)), file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt):
            it.wait()
            raise ScheduleError(Problem("the MLflow server ended by itself", found=_last_lines(log)))


def where_to_look(uri: str, address: str) -> list[str]:
    """The addresses of the latest sweeps' views, as far as a SQLite store has them."""
    lines = [f"all sweeps: {address}/#/experiments?workflowType=machine_learning"]
    if uri.startswith("sqlite:///"):
        file = quote(uri.removeprefix("sqlite:///"))
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            for number, name, tag in database.execute(VIEWS, (f"{VIEW_TAG}sweeper-%", MOST_LINKS)):
                view, shown = tag.removeprefix(VIEW_TAG), "".join(filter(str.isprintable, name))
                lines.append(f"{shown}, {view.removeprefix('sweeper-')}: {address}{link(str(number), view)}")
    return lines


def _command(uri: str, artifacts: str, host: str, port: int) -> list[str]:
    where = ["--backend-store-uri", uri, "--default-artifact-root", artifacts, "--artifacts-destination", artifacts]
    if entry_points(group="mlflow.app", name=ui_app.NAME):  # else installed before there was one
        where += ["--app-name", ui_app.NAME]
    return [sys.executable, "-m", "mlflow", "server", *where, "--host", host, "--port", str(port), "--workers", "1"]


@contextmanager
def _running(command: list[str], log: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The server in a process group of its own: Ctrl-C reaches us alone, and we end the whole group."""
    environment = {**os.environ, **ENVIRONMENT}
    with _ended_by_signals(), tempfile.TemporaryDirectory() as folder, process_group.guarded() as group:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder, process_group=group
        )
        try:
            yield server
        finally:
            process_group.end(group, server, STOP_S)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as an exception does, so that the server is ended too."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_it_answers(server: subprocess.Popen[bytes], address: str, log: IO[str]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(URLError, OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.2)
    why, hint = f"did not answer within {START_S:.0f} s", "try again when this machine is less busy"
    if (code := server.poll()) is not None:
        why, hint = f"ended with exit code {code}", ""
    raise ScheduleError(Problem(f"the MLflow server {why}", where=address, found=_last_lines(log), hint=hint))


def _last_lines(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log if line.strip()]
    return "\n    ".join(lines[-5:]) or "no output"


def _check_loopback(host: str, port: int) -> None:
    with suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return
    cure = f"keep 127.0.0.1 and, on your own machine, open a tunnel: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE"
    raise UsageError(
        Problem("the MLflow UI has no password, so only this machine may reach it", key="--host", found=host, hint=cure)
    )


def _check_store(uri: str) -> None:
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///"):
        return
    if problem := unusable(path):
        hint = "rename the folder, then `sweeper sync SWEEP` writes the store; all other commands work there"
        raise UsageError(Problem(problem, where=str(path), hint=hint))
    if not path.is_file():
        cure = "run a sweep, or `sweeper sync SWEEP`; --results DIR looks elsewhere"
        raise UsageError(Problem("there is no MLflow store yet", where=str(path), hint=cure))


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                Problem(f"port {port} cannot be used", key="--port", found=reason, hint=f"--port {port + 1}")
            ) from error
