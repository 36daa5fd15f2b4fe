"""What the faults are done to: sweeps of a toy trainer, and one of the bundled trainer in packs."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Finals = dict[str, str]  # a trial's key -> its state and last metrics, as JSON: equal texts are equal to the last bit


@dataclass(frozen=True, slots=True)
class Subject:
    """A sweep that is called `toy` whatever it trains. `trainer` is its cell in the table.

    Faults come at random moments of the first `latest_s` seconds of a run, as they count them. `result` says what a
    trial ends with, given its parameters, where that is known without training it.
    """

    trainer: str
    text: str
    trials: int
    latest_s: float
    result: Callable[[Mapping[str, float]], dict[str, float]] | None = None

    def wanted(self, trials: Mapping[str, Mapping[str, float]]) -> Finals:
        """What each of these trials (their parameters by their keys) has to end with; {} where nobody knows."""
        if self.result is None:
            return undisturbed(self.text) if self.trainer == BUNDLED.trainer else {}
        return {key: _text("completed", self.result(params)) for key, params in trials.items()}


def toy(trials: int, more: str = "", latest_s: float = 1.0) -> Subject:
    """Trials of trainer.py, which is as slow as its `pause` says."""
    text = f"name: toy\ntrainer: trainer:train\nmetric: {{name: score, goal: maximize}}\nseeds: {trials}\n{more}"
    return Subject("toy", text, trials, latest_s, lambda params: {"score": params["steps"] * (params["steps"] + 1) / 2})


SLOW = "parameters: {pause: {value: 0.1}}\n"
LONG = "parameters: {steps: {value: 40}, pause: {value: 0.1}}\n"
EVERY = "checkpoints: {every_s: 0.3}\n"
BUSY = Subject(
    "toy only",
    "name: toy\ntrainer: trainer:busy\nmetric: {name: score, goal: maximize}\nseeds: 10\n"
    "parameters: {x: {min: 1, max: 10, points: 10}}\n",
    100,
    2.0,
    lambda params: {"score": params["steps"]},
)
BUNDLED = Subject(
    "bundled, packs of 4",
    """\
name: toy
trainer: cvae
metric: {name: alignment, goal: maximize}
base:
  train.steps: 60
  train.report_every: 12
  train.batch_size: 32
  train.test_prompts: 64
  model.width: 16
  model.heads: 2
parameters:
  loss.inter_latent_divergence_weight: {values: [0, 0.5, 1, 2]}
seeds: 2
resources: {pack: 4, gpu: 0}
checkpoints: {every_s: 1}
""",
    8,
    4.0,
)

# Searches: which configurations they try depends on what has ended when, so that numbers are not compared.
SEARCH = Subject(
    "toy, search",
    "name: toy\ntrainer: trainer:train\nmetric: {name: score, goal: maximize}\nmethod: tpe\nbudget: {trials: 8}\n"
    "parameters: {pause: {min: 0.05, max: 0.15}}\n",
    8,
    1.0,
    lambda params: {"score": params["steps"] * (params["steps"] + 1) / 2},
)
BUNDLED_SEARCH = replace(
    BUNDLED,
    trainer="bundled, search",
    text=BUNDLED.text.replace("{values: [0, 0.5, 1, 2]}", "{min: 0.0, max: 2.0}").replace("seeds: 2", "seeds: 1")
    + "method: tpe\nbudget: {trials: 8}\n",
)


@functools.cache
def undisturbed(text: str) -> Finals:
    """What the trials of a sweep file end with in a clean folder, one pack after the other, when nothing stops them."""
    with tempfile.TemporaryDirectory(prefix="sweeper-undisturbed-") as name:
        folder = Path(name).resolve()
        (folder / "toy.yaml").write_text(text)
        path = os.pathsep.join(map(str, (HERE, HERE.parents[1])))
        env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        code = "import pathlib; from tests.execution.runs import train; train(pathlib.Path.cwd() / 'toy.yaml')"
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, timeout=300)
        return finals(json.loads(line) for line in (folder / "results/toy/ledger.jsonl").read_text().splitlines())


def finals(entries: Iterable[Mapping[str, Any]]) -> Finals:
    """The state and the last metrics of each trial that ended for good, as a ledger's entries have them."""
    return {e["trial"]: _text(e["state"], e["metrics"]) for e in entries if e["e"] == "end" and not e["retry"]}


def _text(state: str, metrics: Mapping[str, float]) -> str:
    return json.dumps([state, {name: float(value) for name, value in sorted(metrics.items())}])
