"""What the mirror knows of a real sweep, from its folder alone."""

from __future__ import annotations

from pathlib import Path

from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.spec.load import load_spec
from sweeper.tracking.inputs import mirror_input
from tests.records import make_life, make_trial

TEXT = """\
name: toy
description: what *x* does
trainer: nobody:train
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2]}}
"""


def a_sweep(folder: Path) -> SweepDir:
    """A ledger of two trials, of a trainer that nobody can import."""
    sweep_dir = SweepDir(folder / "results", "toy")
    trials = [make_trial(0, x=1), make_trial(0, x=2)]
    with Ledger(sweep_dir) as book:
        data = {"digits/train.csv": "d1ce"}
        run = {"command": "sweeper run toy.yaml", "commit": "c0ffee", "metrics": ["score"], "data": data}
        book.run(TEXT, run, trials, read_history(sweep_dir))
        for event in (event for trial in trials for event in make_life(trial, 0.5)):
            book.record(event)
    return sweep_dir


def test_a_folder_is_enough_nothing_of_it_is_imported(tmp_path: Path) -> None:
    sweep_dir = a_sweep(tmp_path)
    uri, artifacts, experiment = mirror_input(load_spec(sweep_dir.spec), sweep_dir, read_history(sweep_dir).runs[-1])
    assert uri == f"sqlite:///{tmp_path}/results/mlflow.db"
    assert artifacts == f"file://{tmp_path}/results/mlartifacts"
    assert (experiment.name, experiment.goals, experiment.declared) == ("toy", {"score": True}, ("score",))
    assert experiment.note() == "what *x* does\n\n```\nsweeper run toy.yaml\n```"
    assert [(one.name, one.digest, one.source) for one in experiment.data] == [
        ("train.csv", "d1ce", "digits/train.csv")
    ]
    assert experiment.spec == sweep_dir.spec
