"""How our own Ray is started; tests/faults signals whole process groups."""

from __future__ import annotations

import os
import subprocess
import sys

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


STARTED = """
import psutil, ray
from sweeper.execution.ray_tune import daemons
with daemons.without_services():
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
assert ray.get(ray.remote(lambda: 1).remote()) == 1
print(*(" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)), sep="\\n")
ray.shutdown()
"""


@pytest.mark.ray
def test_what_a_run_on_one_machine_does_not_ask_is_not_started() -> None:
    """In a process of its own: what Ray leaves in the environment would be that of later tests."""
    said = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    commands = said.stdout.splitlines()
    assert any("raylet" in command for command in commands)
    assert [one for one in commands if "dashboard/dashboard.py" in one or "monitor.py" in one] == []


def test_a_ray_that_lacks_these_services_is_started_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    node = pytest.importorskip("ray._private.node").Node
    monkeypatch.delattr(node, "start_monitor")
    before = dict(vars(node))
    with daemons.without_services():
        assert node.start_api_server(anything=1) is None
        assert not hasattr(node, "start_monitor")
    assert dict(vars(node)) == before
