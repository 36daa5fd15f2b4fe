"""When the head of a cluster counts as lost; tests/faults kills real ones."""

from __future__ import annotations

import socket

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
