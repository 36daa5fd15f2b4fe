"""What many tests need: a folder with a sweep file, and the command line as people type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.command_server import CommandServer

if TYPE_CHECKING:
    from tests.tracking.servers import Server

# Before anything imports torch: two busy processes with a thread per core each are many times slower than with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A run that begins under nohup rightly ignores the signal; these tests may be run under nohup, what they start is not.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# On a busy machine the first example of a test can take longer than Hypothesis likes: that is not what we test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

TRAINERS = Path(__file__).parent / "trainers"

QUADRATIC = """\
name: toy
trainer: quadratic:train
metric: {name: loss, goal: minimize}
method: grid
parameters:
  x: {values: [1, 2, 3, 4]}
"""


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Sweeper = Callable[..., CommandResult]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that on two cores neither waits for the other at the end."""
    items.sort(key=lambda item: not (item.get_closest_marker("ray") or item.get_closest_marker("browser")))


@pytest.fixture(autouse=True)
def _trainers_can_be_imported(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))  # not that of who tests
    monkeypatch.syspath_prepend(str(TRAINERS))
    path = os.pathsep.join([str(TRAINERS), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("SWEEPER_RESULTS", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The current folder, and one next to it that is on the Python path."""
    here, other = folder / "here", folder / "other"
    for path in (here, other):
        path.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [*sys.path, str(other)])
    return here, other


@pytest.fixture
def toy(folder: Path) -> Path:
    """`toy.yaml`, a grid of four quick trials, in the current folder."""
    file = folder / "toy.yaml"
    file.write_text(QUADRATIC)
    return Path("toy.yaml")


@pytest.fixture(scope="session")
def command_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandServer]:
    server = CommandServer(tmp_path_factory.mktemp("commands"))
    yield server
    server.stop()


@pytest.fixture
def sweeper(folder: Path, command_server: CommandServer) -> Sweeper:
    """The command line in a process of its own, in the current folder: the fork of one that has imported everything."""

    def call(*words: object, timeout_s: float = 120, **env: str) -> CommandResult:
        arguments = [str(word) for word in words]
        return CommandResult(*command_server.run(arguments, folder, {**os.environ, **env}, timeout_s))

    return call


@pytest.fixture
def new_sweeper(folder: Path) -> Sweeper:
    """The same in a new interpreter, as a user starts it: where starting or Ray is the point."""

    def call(*words: object, timeout_s: float = 120, **env: str) -> CommandResult:
        command = [sys.executable, "-m", "sweeper", *map(str, words)]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, env={**os.environ, **env}
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real MLflow server on SQLite: it takes seconds to start, and each test has experiments of its own there."""
    from sweeper.tracking.database import make_database
    from tests.tracking.servers import Server

    folder = tmp_path_factory.mktemp("served")
    make_database(folder / "mlflow.db")
    server = Server(folder)
    server.start()
    yield server
    assert server.stop(signal.SIGINT) == 0
