"""The mirror over HTTP to an MLflow server whose store is PostgreSQL. Skipped where there is no PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sweeper.tracking.trial_run import Mirrored
from sweeper.trial import State
from tests.tracking.servers import Server, Sweep, a_life, cut_short, push, until

pytestmark = [
    pytest.mark.slow,
]
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


class Postgres:
    """A database server of our own on loopback, as a user who is not root: it refuses root."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.folder = PROGRAMS[-1].parent, folder
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"postgresql+psycopg2://sweeper@127.0.0.1:{self.port}/postgres"
        self._call("initdb", "-D", folder / "data", "-U", "sweeper", "--auth=trust", "--no-sync")

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        self._call("pg_ctl", "-D", self.folder / "data", "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        self._call("pg_ctl", "-D", self.folder / "data", "-m", how, "-w", "stop")

    def _call(self, program: str, *words: str | Path) -> None:
        as_user: Sequence[str] = ("runuser", "-u", self.user, "--") if os.getuid() == 0 else ()
        done = subprocess.run(
            [*as_user, self.programs / program, *words], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg2")
    if not PROGRAMS:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="pg") as folder:  # a socket's path must be short
        postgres = Postgres(Path(folder))
        postgres.start()
        yield postgres
        postgres.stop()


@pytest.fixture(scope="module")
def server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("served"), postgres.uri)
    server.start()
    yield server
    assert server.stop(signal.SIGINT) == 0


def test_every_state_each_configuration_and_the_summary_arrive_once(server: Server, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, server.address)
    lives = [a_life(0, beta=1), a_life(1, beta=1), a_life(2, State.DIVERGED), a_life(3, State.PRUNED)]
    assert sweep.run(*lives) == sweep.sync(*lives) == Mirrored(4, 0, "")
    assert sorted(sweep.statuses.values()) == ["FAILED", "FINISHED", "FINISHED", "KILLED"]
    assert (len(sweep.kind("config")), len(sweep.kind("summary"))) == (2, 1)


def test_a_database_that_dies_in_mid_sweep_loses_and_doubles_nothing(
    server: Server, postgres: Postgres, tmp_path: Path
) -> None:
    sweep = Sweep(tmp_path, server.address)
    mirror = sweep.start()
    push(mirror, a_life(1), cut_short(a_life(2)))
    until(lambda: sweep.statuses == {"1": "FINISHED", "2": "RUNNING"})
    postgres.stop()
    push(mirror, a_life(2), a_life(3))
    until(lambda: bool(mirror.standing().error))
    postgres.start()
    mirror.close(60)
    assert sweep.sync(*(a_life(seed) for seed in (1, 2, 3))) == Mirrored(3, 0, "")
    assert sweep.statuses == dict.fromkeys("123", "FINISHED")
