"""Commands in processes of their own that import nothing: forks of one process that has imported everything.

`python -m tests.command_server PATH` listens on a Unix socket. A request is a JSON object (arguments, folder,
environment) with two file descriptors, for standard output and standard error; the answers are the child's process id
and its exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import sweeper

# What commands import when they use it. Not Ray: its threads and servers belong to the process that starts them.
LATER = ["mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "torch", "matplotlib.pyplot", "scipy.stats"]
LATER += ["plotly.graph_objects", "optuna.samplers", "optuna.pruners", "optuna.importance", "pyarrow.parquet"]
LARGEST = 1 << 20  # bytes of a request: its environment


class CommandServer:
    """The client's side: starts the process and runs commands in its forks."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "commands.sock")
        command = [sys.executable, "-m", "tests.command_server", self._address]
        root = Path(__file__).parents[1]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float
    ) -> tuple[int, str, str]:
        """The exit code, output and errors of `sweeper ARGUMENTS`. Raises TimeoutError, with the process killed."""
        request = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._address)
                connection.settimeout(timeout_s)
                socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [out.fileno(), err.fileno()])
                with connection.makefile() as answers:
                    pid = int(answers.readline())
                    try:
                        code = int(answers.readline())
                    except TimeoutError:
                        os.kill(pid, 9)
                        raise
            for file in (out, err):
                file.seek(0)
            return code, out.read().decode(), err.read().decode()

    def stop(self) -> None:
        with self._process:  # closes its pipe
            self._process.terminate()


def serve(address: str) -> dict[str, Any]:
    """Answer requests for ever; returns in each child, with its request."""
    ours = [module.name for module in pkgutil.walk_packages(sweeper.__path__, "sweeper.")]
    for name in [*LATER, *(name for name in ours if "ray_tune" not in name)]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a fork must not touch, and so copy, what it inherits
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            with _received(connection) as (request, descriptors):
                pid = os.fork()
                if pid == 0:
                    for number, descriptor in enumerate(descriptors, start=1):
                        os.dup2(descriptor, number)
                    return request
                connection.sendall(f"{pid}\n".encode())
                _, status = os.waitpid(pid, 0)
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


@contextmanager
def _received(connection: socket.socket) -> Iterator[tuple[dict[str, Any], list[int]]]:
    with connection:
        text, descriptors, _, _ = socket.recv_fds(connection, LARGEST, 2)
        while not text.endswith(b"\n"):
            text += connection.recv(LARGEST)
        try:
            yield json.loads(text), descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def become(request: Mapping[str, Any]) -> None:
    """Make this process what `python -m sweeper` in the folder would be."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*filter(None, paths), *sys.path[1:]]
    sys.argv[:] = ["sweeper", *request["arguments"]]


def end(code: object) -> NoReturn:
    """End this process without tearing down what it inherited."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for its own threads, as Python does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    become(serve(sys.argv[1]))
    try:
        importlib.import_module("sweeper.__main__").main()
    except SystemExit as stop:
        end(stop.code)
