"""The look-ahead model, trained once per seed next to the baseline, and trainings whose tokens weigh by it."""

import math

import pytest
import torch

from sweeper.cvae import load_model
from sweeper.cvae.config import build
from sweeper.cvae.training.baseline import BaselineKey, Baselines
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.program import Program
from tests.cvae.training.packs import SMALL, Kept, Trial, Waiting

AHEAD = {"loss.token_weighting": "lookahead"}


def test_the_baseline_is_the_same_with_and_without_it():
    nll = []
    for more in ({}, AHEAD):
        config = build(SMALL | {"train.device": "cpu", "train.steps": 70, "train.clip_norm": 0.05} | more)
        mine, key = Baselines(Program.of(config)), BaselineKey.of(config, 0)
        nll.append(mine.baseline_nll([(key, 0), (key, 1)]))
    assert all(torch.equal(*pair) for pair in zip(*nll, strict=True))


def test_it_learns_that_style_is_idle_and_forks_are_not():
    style = {"task.nuisance_tokens": 2, "task.nuisance_entropy": math.log(8)}
    config = build({"train.device": "cpu", "train.steps": 1200, "train.batch_size": 64} | style | AHEAD)
    mine, key = Baselines(Program.of(config)), BaselineKey.of(config, 0)
    weights_T = mine.lookahead([(key, 3)])[0][-8:].mean((0, 1))
    nll_T = mine.baseline_nll([(key, 3)])[0][-8:].mean((0, 1))
    assert max(weights_T[:2].tolist()) < 0.05
    assert min(nll_T[:2].tolist()) > 1.9  # the note's weights: ln 8 each
    assert float(weights_T[2]) == pytest.approx(math.log(3), abs=0.1)  # t = 2 and 4 are the forks
    assert float(weights_T[4]) == pytest.approx(math.log(2), abs=0.1)
    assert float(weights_T[-1]) < 0.02


@pytest.mark.parametrize("weighting", ["lookahead", "oracle_fork"])
def test_members_of_a_pack_and_interrupted_ones_end_as_they_do_alone(weighting, tmp_path):
    changes = {"loss.token_weighting": weighting, "loss.token_weighted_reconstruction_weight": 0.3}
    alone = [Trial(changes, seed=seed, directory=tmp_path / str(seed)) for seed in (0, 1)]
    for trial in alone:
        trial.directory.mkdir()
        train_pack(Waiting([trial]))
    together = [Trial(changes, seed=seed) for seed in (0, 1)]
    train_pack(Waiting(together))
    store = Kept(at=[2], stop=True)
    for _ in range(2):
        resumed = Trial(changes, store, seed=1)
        store.at = {2} if store.saved is None else set()
        train_pack(Waiting([resumed]))
    assert [trial.final for trial in together] == [trial.final for trial in alone]
    assert resumed.final == alone[1].final
    model, _, _ = load_model(alone[0].directory, alone[0].params)
    assert (model.lookahead is not None) is (weighting == "lookahead")
