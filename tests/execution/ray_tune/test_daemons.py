"""How our own Ray is started; tests/faults signals whole process groups."""

from __future__ import annotations

import os

import pytest

from sweeper.execution.ray_tune import daemons

ray_services = pytest.importorskip("ray._private.services")


def test_a_daemon_of_ray_is_in_a_session_of_its_own() -> None:
    with daemons.detached():
        started = ray_services.start_ray_process(["sleep", "100"], "log_monitor", fate_share=True).process
    try:
        assert os.getsid(started.pid) == started.pid != os.getsid(0)
    finally:
        started.kill()
        started.wait()


def test_after_that_ray_starts_processes_as_before() -> None:
    before = ray_services.ConsolePopen
    with daemons.detached():
        pass
    assert ray_services.ConsolePopen is before
