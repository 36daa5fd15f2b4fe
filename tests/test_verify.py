"""Verdicts on real ledgers, made by running small sweeps with a trainer whose truth is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from runs import train

from sweeper.verdicts import Verdict
from sweeper.verify import verdicts

FILE = """\
name: noisy
trainer: noisy:train
metric: {name: score, goal: maximize}
base: {gain: 1.0, spread: %g}
parameters:
  a: {values: [0, 1, 2]}
  b: {values: [0, 1]}
seeds: %d
expect:
  - {name: claimed, metric: score, %s}
"""


def judged(folder: Path, claim: str, spread: float = 0.01, seeds: int = 3, *overrides: str) -> Verdict:
    """The verdict on one claim, after a run."""
    file = folder / "noisy.yaml"
    file.write_text(FILE % (spread, seeds, claim))
    train(file, *overrides)
    [verdict] = verdicts(folder / "results", "noisy")
    return verdict


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ("within: [-0.5, 3.5]", "pass"),
        ("within: [0.5, 3.5]", "fail"),
        ("within: [0, 3]", "undecided"),
        ("within: [-0.5, null]", "pass"),
        ("mean: {at_least: -0.5}", "pass"),
        ("mean: {at_least: 0.5}", "fail"),
        ("mean: {at_most: 3.5}", "pass"),
        ("mean: {at_least: 0.5}, where: a > 0", "pass"),
        ("equivalent: {to: 1.5, margin: 0.1}", "pass"),
        ("equivalent: {to: 1.7, margin: 0.1}", "fail"),
        ("equivalent: {to: 1, margin: 0.1}, where: a == 0 and b == 1", "pass"),
        ("equivalent: {to: 1, margin: 0.1}, where: a == 0, over: trials", "undecided"),
    ],
)
def test_a_claim_about_means_holds_or_not(tmp_path: Path, claim: str, outcome: str) -> None:
    verdict = judged(tmp_path, claim)
    assert verdict.outcome == outcome, verdict.sentence
