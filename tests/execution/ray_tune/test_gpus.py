"""A cluster that is there already, and which GPUs a worker sees on it: fractions, two per trial, none.

Its GPUs are numbers only.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Sweeper

pytestmark = pytest.mark.ray

TOY = """\
trainer: naughty:sees_devices
metric: {name: score, goal: maximize}
resources: {cpu: 0.25}
tracking: {uri: "http://127.0.0.1:9"}
"""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Ray of one node with four GPUs, on a port that it chooses, with a token of its own."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with tempfile.TemporaryDirectory(prefix="gpus-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        words = [
            "--head",
            "--node-ip-address=127.0.0.1",
            "--port=0",
            f"--temp-dir={folder}",
            "--include-dashboard=false",
        ]
        command = [
            str(Path(sys.executable).with_name("ray")),
            "start",
            *words,
            "--num-cpus=2",
            "--num-gpus=4",
            "--block",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as head:
            place, until = Path(folder, "ray_current_cluster"), time.monotonic() + 60
            while not (place.exists() and place.read_text()):
                assert time.monotonic() < until, "the cluster did not start"
                time.sleep(0.1)
            yield place.read_text()
            head.terminate()


def test_a_cluster_is_used_and_a_worker_sees_the_gpus_of_its_pack_and_shares_a_device_only_with_fractions(
    folder: Path, address: str, sweeper: Sweeper
) -> None:
    (folder / "toy.yaml").write_text(TOY)
    drivers = []
    for name, gpus, trials in (("half", 0.5, 3), ("two", 2, 1), ("none", 0, 1)):
        words = [f"name={name}", f"resources.gpu={gpus}", f"seeds={trials}", f"together={trials}"]
        command = [sys.executable, "-m", "sweeper", "run", "toy.yaml", *words, "--address", address, "--quiet"]
        drivers.append(subprocess.Popen(command, cwd=folder))
    assert [driver.wait(120) for driver in drivers] == [0] * 3
    found = {
        name: Counter(path.read_text() for path in (folder / "results" / name / "trials").glob("*/devices.txt"))
        for name in ("half", "two", "none")
    }
    assert sorted(found["half"].values()) == [1, 2]  # three at once, two of them on one device
    assert found["none"] == {"": 1}
    used = [device for sweep in found.values() for devices in sweep for device in devices.split(",") if device]
    assert sorted(used) == ["0", "1", "2", "3"]  # no two sweeps on one

    refused = sweeper("run", "toy.yaml", "name=five", "--address", address, RAY_AUTH_MODE="disabled")
    assert (refused.code, "RAY_AUTH_MODE=token" in refused.err) == (2, True)
    unserved = sweeper("run", "toy.yaml", "name=five", "resources.gpu=5", "--address", address)
    assert (unserved.code, "more GPUs" in unserved.err) == (2, True)  # so the cluster was left running
