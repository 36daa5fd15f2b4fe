"""Early termination in runs: what the rule says reaches the trial, the ledger and the next run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State
from tests.execution.runs import train

TOY = """\
name: toy
trainer: naughty:%s
metric: {name: score, goal: maximize}
parameters: {x: {values: [9, 8, 7, 1, 2, 3]}, deed: {value: good}, reports: {value: 4}}
early_terminate: {type: %s}
"""


def test_the_median_rule_prunes_with_its_step_and_reason(folder: Path) -> None:
    file = folder / "toy.yaml"
    file.write_text(TOY % ("slow", "median, startup_trials: 3"))
    session = train(file)
    pruned = [record for record in session.records.values() if record.state is State.PRUNED]
    assert [record.trial.params["x"] for record in pruned] == [1, 2, 3]
    assert pruned[0].ended is not None
    assert pruned[0].ended.steps == 1
    assert pruned[0].ended.reason.startswith("median: the best score by step 1 is 1")
    assert pruned[0].ended.metrics == {"score": 1.0}


def test_a_pruned_trial_is_a_result_and_is_not_run_again(folder: Path) -> None:
    file = folder / "toy.yaml"
    file.write_text(TOY % ("slow", "median, startup_trials: 3"))
    train(file)
    assert train(file).budgets.trained == 0


def test_what_earlier_runs_reported_is_remembered(folder: Path) -> None:
    file = folder / "toy.yaml"
    file.write_text(TOY % ("slow", "median, startup_trials: 3"))
    train(file, "x=9,8,7")
    assert Counter(record.state for record in train(file).records.values())[State.PRUNED] == 3


def test_a_member_of_a_pack_is_pruned_and_its_slot_is_filled(folder: Path) -> None:
    file = folder / "toy.yaml"
    file.write_text(TOY % ("fused", "threshold, below: 0.5") + "resources: {pack: 2}\n")
    train(file)
    history = read_history(SweepDir(folder / "results", "toy"))
    assert Counter(record.state for record in history.planned()) == {State.COMPLETED: 6}
    file.write_text(TOY % ("fused", "threshold, above: 1.5") + "resources: {pack: 2}\n")
    train(file, "name=other", "x=4,5")
    history = read_history(SweepDir(folder / "results", "other"))
    assert Counter(record.state for record in history.planned()) == {State.PRUNED: 2}
