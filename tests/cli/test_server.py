"""A server that only a results folder names is not connected to; a log-in in an address is not written down."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sweeper.tracking import named_stores
from tests.conftest import QUADRATIC, Sweeper
from tests.execution.runs import train


class Listener(BaseHTTPRequestHandler):
    """Notes the log-in that comes with every request, and answers none."""

    def do_GET(self) -> None:
        self.server.seen.append(self.headers.get("Authorization", ""))  # type: ignore[attr-defined]
        self.send_error(501)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the log-ins that it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    seen: list[str] = []
    server.seen = seen  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def trained(folder: Path) -> Path:
    """A sweep that has run here, without a server; its file in the results folder."""
    (folder / "toy.yaml").write_text(QUADRATIC)
    train(Path("toy.yaml"))
    return folder / "results" / "toy" / "sweep.yaml"


def test_a_server_that_a_results_folder_names_is_not_connected_to(
    folder: Path, sweeper: Sweeper, listener: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, (address, seen) = trained(folder), listener
    spec.write_text(spec.read_text() + f"tracking: {{uri: {address}}}\n")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    assert sweeper("report", "toy").code == 0
    assert sweeper("run", spec, "--runner", "inprocess", "--rerun", "all").code == 2
    refused = sweeper("sync", "toy")
    assert refused.code == 2
    assert f"sweeper sync toy --tracking-uri {address}" in refused.err
    assert seen == []
    assert sweeper("sync", "toy", "--tracking-uri", address).code == 1
    assert seen[0].startswith("Basic ")
    before = len(seen)
    assert sweeper("sync", "toy").code == 1  # named once, on this machine
    assert len(seen) > before
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "another machine"))
    before = len(seen)
    assert sweeper("sync", "toy").code == 2
    assert len(seen) == before


def test_a_server_is_named_by_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pw@host:5000/")
    assert named_stores.is_named("http://***@host:5000")
    assert not named_stores.is_named("http://other:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert not named_stores.is_named("")


def test_a_log_in_is_neither_written_down_nor_shown(folder: Path, sweeper: Sweeper) -> None:
    (folder / "toy.yaml").write_text(QUADRATIC + 'tracking: {uri: "http://bob:hunter2@127.0.0.1:9"}\n')
    said = [sweeper("run", "toy.yaml", "--runner", "inprocess")]
    said += [sweeper(word, "toy") for word in ("report", "sync")]
    said += [sweeper("run", "toy.yaml", "tracking.uri=http://eve:hunter2@127.0.0.1:9", "--runner", "inprocess")]
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "toy.yaml"]
    assert not any(b"hunter2" in text for text in texts)
    assert not any("hunter2" in f"{one.out}{one.err}" for one in said)
    assert "***@127.0.0.1:9" in (folder / "results" / "toy" / "sweep.yaml").read_text()
    assert "MLflow lacks" in said[0].err
    assert "it lacks" in said[2].err  # named by the run: tried again, with the log-in of the environment


def test_a_log_in_that_was_not_kept_is_asked_for(folder: Path, sweeper: Sweeper) -> None:
    spec = trained(folder)
    spec.write_text(spec.read_text() + 'tracking: {uri: "postgresql://***@127.0.0.1:9/db"}\n')
    named_stores.remember("postgresql://bob:hunter2@127.0.0.1:9/db")
    assert "--tracking-uri with the whole address" in sweeper("sync", "toy").err
    (folder / "other.yaml").write_text(QUADRATIC + 'tracking: {uri: "http://***@127.0.0.1:9"}\n')
    refused = sweeper("run", "other.yaml", "--runner", "inprocess")
    assert (refused.code, "the log-in of this address was not kept" in refused.err) == (2, True)


def test_a_storage_that_a_results_folder_names_is_not_used(toy: Path, folder: Path, sweeper: Sweeper) -> None:
    toy.write_text(f"{toy.read_text()}storage: {folder}/elsewhere\n")
    assert sweeper("run", "toy.yaml", "x=1", "--runner", "inprocess", "--quiet").code == 0
    shutil.rmtree(folder / "elsewhere")
    done = sweeper("run", "results/toy/sweep.yaml", "x=1,2", "--runner", "inprocess", "--quiet")
    assert done.code == 0, done.err
    assert "storage is not used: a results folder names it" in done.err
    assert not (folder / "elsewhere").exists()
