"""The sbatch script under a mock of SLURM, with its signals, and the RayJob manifest against KubeRay's schema."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.execution.cluster_jobs.kubernetes import job_name
from sweeper.execution.cluster_jobs.shape import gpus_for
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State
from tests.conftest import Sweeper

FAULTS = Path(__file__).parents[1] / "faults"
SLOW = """\
name: toy
trainer: trainer:train
metric: {name: score, goal: maximize}
seeds: 2
parameters: {steps: {value: 20}, pause: {value: 0.05}}
checkpoints: {every_s: 0.1}
tracking: {uri: "http://127.0.0.1:9"}
"""
# The fields that the manifest has, as ray-project/kuberay at feeaf72 defines them in
# ray-operator/config/crd/bases/ray.io_rayjobs.yaml for v1.
POD = {
    "containers[].name": str,
    "containers[].image": str,
    "containers[].resources.limits.*": str,
    "containers[].resources.requests.*": str,
    "containers[].volumeMounts[].name": str,
    "containers[].volumeMounts[].mountPath": str,
    "volumes[].name": str,
    "volumes[].configMap.name": str,
    "volumes[].persistentVolumeClaim.claimName": str,
}
GROUPS = {
    f"{group}.template.spec.{field}": kind
    for group in ("headGroupSpec", "workerGroupSpecs[]")
    for field, kind in POD.items()
}
CLUSTER = GROUPS | {
    "rayVersion": str,
    "authOptions.mode": str,  # disabled or token
    "headGroupSpec.rayStartParams.*": str,
    "workerGroupSpecs[].groupName": str,
    "workerGroupSpecs[].replicas": int,
    "workerGroupSpecs[].minReplicas": int,
    "workerGroupSpecs[].maxReplicas": int,
}
FIELDS = {f"spec.rayClusterSpec.{field}": kind for field, kind in CLUSTER.items()} | {
    "apiVersion": str,
    "kind": str,
    "metadata.name": str,
    "spec.entrypoint": str,
    "spec.backoffLimit": int,
    "spec.activeDeadlineSeconds": int,
    "spec.shutdownAfterJobFinishes": bool,
}
FREE = ("rayStartParams", "limits", "requests")  # maps of names that the schema leaves open


@pytest.fixture
def printed(sweeper: Sweeper) -> Callable[..., str]:
    """What `sweeper cluster` prints."""

    def call(*words: str) -> str:
        done = sweeper("cluster", *words)
        assert done.code == 0, done.err
        return done.out

    return call


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{'*' if path.endswith(FREE) else key}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path.removeprefix("."), value


def test_the_manifest_has_fields_of_the_published_schema_only(toy: Path, printed: Callable[..., str]) -> None:
    settings = ["budget.wall=2h", "resources.gpu=0.5", "resources.max_concurrent=6"]
    job, config = yaml.safe_load_all(printed("kubernetes", "toy.yaml", *settings, "--nodes", "2", "--image", "me/x:1"))
    found = dict(leaves(job))
    assert found.keys() <= FIELDS.keys() | {"spec.rayClusterSpec.workerGroupSpecs[].rayStartParams"}
    assert not {path: value for path, value in found.items() if not isinstance(value, FIELDS[path])}
    group = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    worker = group["template"]["spec"]["containers"][0]
    assert (group["replicas"], job["spec"]["activeDeadlineSeconds"]) == (2, 7800)
    assert worker["resources"]["limits"] == {"cpu": "3", "memory": "12Gi", "nvidia.com/gpu": "2"}
    assert yaml.safe_load(config["data"]["sweep.yaml"])["resources"] == {"gpu": 0.5, "max_concurrent": 6}


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (2, 0), (5, 0), (137, 137), (143, 143)])
def test_the_job_is_tried_again_after_what_is_not_final_only(
    folder: Path, toy: Path, printed: Callable[..., str], code: int, expected: int
) -> None:
    job, _ = yaml.safe_load_all(printed("kubernetes", "toy.yaml", "--image", "me/x:1"))
    (folder / "sweeper").write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / "sweeper").chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin"}
    assert subprocess.run(job["spec"]["entrypoint"], shell=True, env=env, capture_output=True).returncode == expected


def test_names_become_those_of_kubernetes_and_a_missing_image_is_wrong_usage(toy: Path, sweeper: Sweeper) -> None:
    assert [job_name(name) for name in ("grid", "My Sweep_2", "17.x", "null", "x" * 90)] == [
        "grid", "my-sweep-2", "sweep-17-x", "null", "x" * 47,
    ]  # fmt: skip
    done = sweeper("cluster", "kubernetes", "toy.yaml")
    assert (done.code, done.out) == (2, "")
    assert "--image: Kubernetes needs an image" in done.err


def test_the_script_asks_for_what_the_sweep_needs(toy: Path, printed: Callable[..., str]) -> None:
    whole = printed("slurm", "toy.yaml")
    assert {"#SBATCH --exclusive", "#SBATCH --time=1-00:00:00", "#SBATCH --nodes=1"} <= set(whole.splitlines())
    settings = ["resources.max_concurrent=6", "resources.cpu=2", "budget.wall=3h"]
    parts = printed("slurm", "toy.yaml", *settings, "resources.gpu=0.5", "--nodes", "2").splitlines()
    wanted = {
        "--cpus-per-task=6",
        "--gpus-per-node=2",
        "--time=0-03:10:00",
        "--nodes=2",
        "--signal=B:USR1@120",
        "--requeue",
    }
    assert {f"#SBATCH {option}" for option in wanted} <= set(parts)
    assert "#SBATCH --exclusive" not in parts
    assert any(line.startswith("##SBATCH --gpus-per-node=3") for line in printed(
        "slurm", "toy.yaml", *settings, "--nodes", "2").splitlines())  # fmt: skip
    assert [gpus_for(*one) for one in ((3, 0.5), (3, 0.6), (3, 1), (2, 2), (3, 0), (4, 0.3))] == [2, 3, 3, 4, 0, 2]


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_a_job_whose_time_is_nearly_over_is_requeued_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[..., str]
) -> None:
    monkeypatch.syspath_prepend(str(FAULTS))
    from slurm import slurm

    (folder / "toy.yaml").write_text(SLOW)
    sweep_dir = SweepDir(folder / "results", "toy")
    env = {"PYTHONPATH": f"{FAULTS}:{FAULTS.parents[1]}"}
    with slurm(folder, printed("slurm", "toy.yaml"), 1, env, "--runner", "inprocess") as queue:
        job = queue.start()
        until = time.monotonic() + 60
        while not (sweep_dir.curves.exists() and sweep_dir.curves.read_bytes().count(b"\n") > 3):
            assert time.monotonic() < until, queue.log.read_text()
            time.sleep(0.02)
        assert (queue.warn(job), queue.is_requeued()) == (143, True), queue.log.read_text()
        assert not list(Path("/tmp").glob(f"sweeper-{queue.job}-*"))
        assert queue.start().wait(60) == 0, queue.log.read_text()
        assert not queue.is_requeued()
    records = read_history(sweep_dir).planned()
    assert [record.state for record in records] == [State.COMPLETED] * 2
    assert records[0].resumed > 0
