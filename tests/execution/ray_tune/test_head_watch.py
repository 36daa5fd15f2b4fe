"""When the head of a cluster counts as lost; tests/faults kills real ones."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

from sweeper.execution.ray_tune import head_watch
from sweeper.execution.ray_tune.head_watch import MISSES, HeadLost, HeadWatch


def test_a_head_is_lost_when_nothing_listens_several_times_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_watch, "EVERY_S", 0.0)
    monkeypatch.setattr(head_watch, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        watch = HeadWatch(f"ray://127.0.0.1:{server.getsockname()[1]}")
        for _ in range(2 * MISSES):
            watch.check()
    for _ in range(MISSES - 1):
        watch.check()
    with pytest.raises(HeadLost, match="the head of the Ray cluster is lost"):
        watch.check()


def test_a_process_of_our_own_ray_that_was_killed_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would end this process after ten seconds, without a word."""
    monkeypatch.setattr(head_watch, "EVERY_S", 0.0)
    with subprocess.Popen(["sleep", "60"]) as daemon:
        watch = HeadWatch("", own=[psutil.Process(daemon.pid)])
        watch.check()
        daemon.kill()
        with pytest.raises(HeadLost, match="was killed"):  # it is a zombie: it was not waited for
            until(watch.check)


def until(call: Callable[[], None]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        call()


def test_between_two_checks_nothing_is_asked() -> None:
    watch = HeadWatch("127.0.0.1:1")
    watch.check()
    assert watch.misses == 0


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_an_address_without_a_port_is_not_watched(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_watch, "EVERY_S", 0.0)
    watch = HeadWatch(address)
    for _ in range(2 * MISSES):
        watch.check()
    assert watch.misses == 0
