"""Verdicts on real ledgers, made by running small sweeps with a trainer whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TRAINERS
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


def ran(folder: Path, spread: float = 0.01, seeds: int = 3, *overrides: str) -> Path:
    """A results folder with a finished sweep."""
    file = folder / "noisy.yaml"
    file.write_text(FILE % (spread, seeds, "within: [0, 1]"))
    train(file, *overrides)
    return folder / "results"


def judged(results: Path, claim: str, *more: str) -> Verdict:
    """The verdict on a claim about the sweep (the last of several: of one family)."""
    claims = "".join(f"\n  - {{name: claimed, metric: score, {one}}}" for one in (*more, claim))
    file = results / "noisy" / "sweep.yaml"
    file.write_text(file.read_text().partition("expect:")[0] + f"expect:{claims}\n")
    return verdicts(results, "noisy")[-1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three values of a, two of b, three seeds each; b brings 1; next to no noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TRAINERS))
        yield ran(tmp_path_factory.mktemp("finished"))


CLAIMS = [
    ("within: [-0.5, 3.5]", "pass"),
    ("within: [0.5, 3.5]", "fail"),
    ("within: [0, 3]", "undecided"),
    ("within: [-0.5, null]", "pass"),
    ("within: [-0.1, 3.1], over: trials", "pass"),
    ("within: [0.5, 3.1], over: trials", "fail"),
    ("mean: {at_least: -0.5}", "pass"),
    ("mean: {at_least: 0.5}", "fail"),
    ("mean: {at_most: 3.5}", "pass"),
    ("mean: {at_least: 0.5}, where: a > 0", "pass"),
    ("mean: {at_least: 1}, over: trials", "pass"),
    ("equivalent: {to: 1.5, margin: 0.1}", "pass"),
    ("equivalent: {to: 1.7, margin: 0.1}", "fail"),
    ("equivalent: {to: 1, margin: 0.1}, where: a == 0 and b == 1", "pass"),
    ("equivalent: {to: 1, margin: 0.1}, where: a == 0, over: trials", "undecided"),
    ("typical: [0.9, 2.2]", "pass"),
    ("typical: [1.5, 3.5]", "fail"),
    ("typical: [0.9, 2.2], over: trials", "pass"),
    ("typical: [1.5, 2.2], over: trials", "fail"),
    ("best: {at_least: 2.9}", "pass"),
    ("best: {at_least: 3.5}", "fail"),
    ("best: {at_most: 0.1}", "pass"),
    ("best: {at_most: -0.5}", "fail"),
    ("best: {at_least: 2.9}, over: trials", "pass"),
    ("best: {at_least: 3.5}, over: trials", "fail"),
    ("share: {above: 0.5, at_least: 0.8}", "pass"),
    ("share: {above: 1.5, at_least: 0.8}", "fail"),
    ("share: {above: 2.5, at_most: 0.2}", "pass"),
    ("share: {above: 0.5, at_least: 0.5}, over: trials", "pass"),
    ("share: {above: 2.5, at_least: 0.5}, over: trials", "fail"),
    ("compare: {b: [1, 0]}, min_gain: 0.9", "pass"),
    ("compare: {b: [1, 0]}, min_gain: 1.1", "fail"),
    ("compare: {b: [0, 1]}", "fail"),
    ("compare: {b: [0, 1]}, effect: less, min_gain: 0.9", "pass"),
    ("compare: {b: [0, 1]}, effect: not_lower, margin: 0.1", "fail"),
    ("compare: {b: [0, 1]}, effect: not_lower, margin: 1.1", "pass"),
    ("compare: {b: [1, 0]}, effect: not_higher, margin: 1.1", "pass"),
    ("compare: {a: [1, 0], b: [1, 0]}, min_gain: 1.9", "undecided"),
    ("compare: {a: [2, 0], b: [0, 1]}, min_gain: 1.1", "fail"),
    ("compare: {b: [1, 0]}, where: b == 1", "undecided"),
    ("compare: {b: [1, 0]}, where: c > 1", "undecided"),
    ("monotone: {a: increasing}", "pass"),
    ("monotone: {a: decreasing}", "fail"),
    ("monotone: {b: increasing}", "pass"),
]


@pytest.mark.parametrize(("claim", "outcome"), CLAIMS)
def test_a_claim_holds_or_not(tmp_path: Path, finished: Path, claim: str, outcome: str) -> None:
    verdict = judged(finished, claim)
    assert verdict.outcome == outcome, verdict.sentence
    assert verdict.kind == claim.partition(":")[0]
    assert "\n" not in verdict.sentence
    assert verdict.n > 0 or "no " in verdict.sentence
    json.dumps(verdict.as_json(), allow_nan=False)
