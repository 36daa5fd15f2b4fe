"""What another process sees of a pack of the bundled trainer on Ray that has not reported yet."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from sweeper.analysis.progress import summarize
from sweeper.ledger.paths import SweepDir
from tests.execution.drivers import DriverProcess

LONG = """\
name: long
trainer: cvae
base: {train.steps: 100000, train.report_every: 100000, train.batch_size: 32, train.test_prompts: 24, model.width: 16}
parameters: {loss.inter_latent_divergence_weight: {values: [0, 1]}}
resources: {pack: 2, gpu: 0}
tracking: {uri: "http://127.0.0.1:9"}
"""


@pytest.mark.ray
def test_status_has_the_steps_the_pace_and_the_time_left_before_the_first_report(folder: Path) -> None:
    (folder / "long.yaml").write_text(LONG)
    driver = DriverProcess([sys.executable, "-m", "sweeper", "run", "long.yaml"], folder, folder / "news.txt")
    sweep = SweepDir(folder / "results", "long")
    driver.wait_for_more(sweep.live_steps, b'"steps"')
    first = json.loads(sweep.live_steps.read_text())["steps"]
    until = time.monotonic() + 60
    while (seen := summarize(sweep, None, time.time())).progress.left_s is None and time.monotonic() < until:
        time.sleep(0.2)
    assert seen.progress.steps_per_s is not None
    assert seen.progress.steps_per_s > 0
    assert seen.progress.left_s is not None
    assert len(first) == len(seen.running) == 2
    assert all((one.step or 0) >= first[one.trial] for one in seen.running)
    assert not any(one.curve for one in seen.running)
    assert driver.stop(signal.SIGINT) == 130
    assert not sweep.live_steps.exists()
