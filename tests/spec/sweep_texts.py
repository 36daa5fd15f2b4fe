"""Sweep files as texts, and ways to load them: what the tests of the sweep file share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.errors import Problem, SpecError
from sweeper.planning.configurations import configurations
from sweeper.spec.load import load_spec
from sweeper.spec.sweep import Sweep
from sweeper.trial import Value

CONTRACT = """\
# yaml-language-server: $schema=./sweeper.schema.json
name: grid                       # folder, MLflow experiment
description: beta x marginal KL x JSD on the ordered-sum task
trainer: cvae                    # the bundled one, or "package.module:function"
base: {task.length: 5, train.steps: 2000}          # trainer settings that do not vary (dotted or nested)
method: grid                     # grid | list | random | qmc | tpe | gp | cmaes | nsga2
metric: {name: alignment, goal: maximize, impute: worst}   # a list of these = multi-objective
parameters:
  loss.beta:                               {values: [0, 0.5, 1]}
  loss.router_marginal_kl_to_prior_weight: {min: 0.01, max: 10, log: true, points: 4}  # points: for grid
  loss.inter_latent_divergence_weight:     {values: [0, 1], when: "loss.beta > 0"}     # conditional
where: ["loss.beta + loss.inter_latent_divergence_weight <= 4"]  # plan says what each clause removed
seeds: 3                         # or a list; a configuration = its seeds
early_terminate: {type: asha, min_steps: 200, eta: 3}      # asha | hyperband | median | patience | none
budget: {trials: 200, wall: 2h, device_hours: 4}
resources: {gpu: auto, cpu: 1, pack: auto, max_concurrent: auto}
retry: {max: 2}                  # crashes and lost workers; a diverged trial is a result, not a crash
abort: {consecutive_failures: 5}
checkpoints: {every_s: 60, keep: none}       # none | last | best | all, after a trial has ended
tracking: {uri: null}            # null = MLflow on SQLite in the results folder
expect:                          # claims about the finished sweep
  - {name: accuracy holds, metric: task_accuracy, over: configs, typical: [0.985, 1.0]}        # quartiles inside
  - {name: near chance, metric: alignment, over: configs, equivalent: {to: 0.1667, margin: 0.1}}
  - {name: jsd helps, metric: alignment, compare: {loss.inter_latent_divergence_weight: [1, 0]}, effect: greater, min_gain: 0.1, alpha: 0.05}
  - {name: at no cost, metric: task_accuracy, compare: {loss.inter_latent_divergence_weight: [1, 0]}, effect: not_lower, margin: 0.01}
  - {name: peak, metric: alignment, best: {at_least: 0.9}}      # or at_most
"""  # noqa: E501

SMALL = """\
metric: {name: loss, goal: minimize}
parameters:
  a: {values: [1, 2]}
  b: {values: [x, y]}
"""


def written(folder: Path, text: str, name: str = "file.yaml") -> Path:
    """The path of a new file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str, *overrides: str) -> Sweep:
    """The sweep of a text."""
    return load_spec(written(folder, text), overrides)


def refused(folder: Path, text: str, *overrides: str) -> list[Problem]:
    """The problems of a text that must not load."""
    with pytest.raises(SpecError) as caught:
        loaded(folder, text, *overrides)
    return list(caught.value.problems)


def complaint(folder: Path, text: str, *overrides: str) -> str:
    """The problems of a text as a person reads them."""
    return "\n".join(str(problem) for problem in refused(folder, text, *overrides))


def points(folder: Path, text: str, *overrides: str) -> list[dict[str, Value]]:
    """The configurations of a text."""
    return list(configurations(loaded(folder, text, *overrides)).points)
