"""A trial of the bundled trainer whose driver is killed ends with the same numbers, bit for bit, as one left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sweeper.execution.worker import checkpoints
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir

SMALL = """\
name: small
trainer: cvae
metric: {name: alignment, goal: maximize}
base: {train.steps: 120, train.report_every: 40, train.batch_size: 32, train.test_prompts: 24, model.width: 16}
parameters: {loss.inter_latent_divergence_weight: {values: [0, 1]}}
resources: {pack: 2, gpu: 0}
checkpoints: {every_s: 0.001}
tracking: {uri: "http://127.0.0.1:9"}
"""


def start(folder: Path, results: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sweeper", "run", "small.yaml", "--runner", "inprocess", "--results", results]
    return subprocess.Popen([*command, "--quiet"], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finals(folder: Path, results: str) -> dict[str, dict[str, float]]:
    history = read_history(SweepDir(folder / results, "small"))
    return {record.trial.key: dict(record.ended.metrics) for record in history.planned() if record.ended}


def test_a_killed_training_goes_on_to_the_same_bits(folder: Path) -> None:
    (folder / "small.yaml").write_text(SMALL)
    assert start(folder, "whole").wait(120) == 0
    trials, kills = list(finals(folder, "whole")), 0
    for cut in (15, 70):
        process = start(folder, "cut")
        place = SweepDir(folder / "cut", "small").trial(trials[0])
        while process.poll() is None and not any(step >= cut for step in checkpoints.steps(place)):
            time.sleep(0.005)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert start(folder, "cut").wait(120) == 0
    assert kills > 0
    history = read_history(SweepDir(folder / "cut", "small"), curves=True)
    assert max(record.resumed for record in history.planned()) >= 15
    assert finals(folder, "cut") == finals(folder, "whole")
    assert [[report.step for report in record.reports] for record in history.planned()] == [[40, 80, 120]] * 2
    assert not list((folder / "cut").rglob("*.safetensors"))
