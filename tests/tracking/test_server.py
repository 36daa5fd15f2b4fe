"""What `sweeper ui` refuses before it starts anything; test_mirror.py runs the server itself."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.tracking.server import serve


@pytest.fixture
def uri(tmp_path: Path) -> str:
    (tmp_path / "mlflow.db").touch()
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_a_port_in_use_is_named_with_the_next_one_to_try(uri: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} cannot be used\n.*in use\n.*--port {port + 1}"):
            serve(uri, "file:///nowhere", "127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_a_host_that_others_can_reach_is_refused_with_what_to_do(uri: str, host: str) -> None:
    with pytest.raises(UsageError, match=r"no password(.|\n)*ssh -L 5000"):
        serve(uri, "file:///nowhere", host, 5000)


@pytest.mark.parametrize("name", ["50 %", "a%41b", "why?"])
def test_a_store_that_mlflow_cannot_open_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot open a store with % or \?(.|\n)*rename the folder"):
        serve(f"sqlite:///{tmp_path / name / 'mlflow.db'}", "file:///nowhere", "127.0.0.1", 5000)


def test_a_store_that_is_not_there_yet_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no MLflow store yet(.|\n)*run a sweep"):
        serve(f"sqlite:///{tmp_path}/mlflow.db", "file:///nowhere", "127.0.0.1", 5000)


def test_a_remote_store_has_an_address_already(capsys: pytest.CaptureFixture[str]) -> None:
    serve("https://mlflow.example.org", "file:///nowhere", "127.0.0.1", 5000)
    assert capsys.readouterr().out == "https://mlflow.example.org\n"
