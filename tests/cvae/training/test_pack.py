"""Packs: members that train as one program, each with the result it has alone."""

import math

import pytest
import torch

from sweeper.cvae.config import build
from sweeper.cvae.diverged import Diverged
from sweeper.cvae.training import batches, member_evaluation
from sweeper.cvae.training import pack as pack_module
from sweeper.cvae.training.baseline import baselines
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.step import Stepper
from sweeper.cvae.training.train import train
from tests.cvae.training.packs import Kept, Trial, Waiting, close, same, started, train_once

MIXED = [
    {},
    {"seed": 1},
    {"loss.beta": 0.1, "loss.schedules.beta.kind": "linear"},
    {"seed": 2, "train.learning_rate": 1e-3, "train.clip_norm": 0.1},
    {"train.report_every": 2, "train.weight_decay": 0.0, "train.router_lr_scale": 0.5},
    {"train.steps": 4, "loss.support_floor": 0.9, "loss.router_support_weight": 1.0, "loss.marginal_ema": 0.9},
]


def alone(**changes):
    trial = Trial(**changes)
    train_pack(Waiting([trial]))
    return trial


def test_members_of_a_pack_end_as_they_do_alone():
    trials = [Trial(changes) for changes in MIXED]
    train_pack(Waiting(trials))
    for trial, changes in zip(trials, MIXED, strict=True):
        by_itself = Trial(changes)
        train_pack(Waiting([by_itself]))
        assert trial.reports.keys() == by_itself.reports.keys()
        assert close(trial.final, by_itself.final)


def test_seven_trials_share_three_slots_and_each_ends_once():
    trials = [Trial(seed=seed) for seed in range(7)]
    slots = Waiting(trials, size=3)
    train_pack(slots)
    assert all(close(trial.final, alone(seed=seed).final) for seed, trial in enumerate(trials))
    assert max(slots.sizes) == 3


def test_a_member_that_joins_late_ends_as_it_does_alone(monkeypatch):
    monkeypatch.setattr(pack_module, "POLL_EVERY_S", 0)
    first, second = Trial(train__steps=9), Trial(seed=1)
    train_pack(Waiting([first], size=2, later={4: [second]}))
    assert list(second.reports) == [6]
    assert close(second.final, alone(seed=1).final)
    assert close(first.final, alone(train__steps=9).final)


def test_a_pruned_member_leaves_and_the_others_do_not_notice():
    pruned, other = Trial(train__report_every=2, prune_at=4), Trial(seed=1)
    train_pack(Waiting([pruned, other]))
    assert list(pruned.reports) == [2, 4]
    assert not pruned.ended
    assert close(other.final, alone(seed=1).final)


def test_members_stop_early_each_for_itself():
    stopping = Trial(train__report_every=1, train__stop_when="posterior_entropy >= 0.1")
    staying = Trial(train__report_every=1)
    train_pack(Waiting([stopping, staying]))
    assert list(stopping.reports) == [1]
    assert list(staying.reports) == [1, 2, 3, 4, 5, 6]


def test_a_diverging_member_ends_alone_and_leaves_the_others_alone():
    wild = {"train.learning_rate": 1.0, "train.clip_norm": 1e6, "train.warmup": 0.0, "loss.beta": 1e38}
    diverging, other = Trial(wild | {"train.steps": 400}), Trial(seed=1)
    train_pack(Waiting([diverging, other]))
    assert isinstance(diverging.error, Diverged)
    assert close(other.final, alone(seed=1).final)


@pytest.mark.parametrize("where", ["generator.", "router.", "baseline_nll"])
def test_a_member_full_of_nan_is_named_and_leaves_the_others_their_bits(where):
    def finals(broken):
        trials = [Trial(train__report_every=1), Trial(seed=1)]
        pack = started(trials)
        if broken:
            parts = pack.program.layout.unflatten(pack.state.flat_MW) | {"baseline_nll": pack.state.baseline_nll_MCBT}
            for name, weight in parts.items():
                weight[0] = math.nan if name.startswith(where) else weight[0]
        train_once(pack)
        return trials, pack.state.flat_MW[-1]

    (broken, _), beside_W = finals(broken=True)
    _, healthy_W = finals(broken=False)
    assert torch.equal(beside_W, healthy_W)
    assert (broken.error.step, broken.error.last_finite_metrics) == (1, {})
    terms = {"baseline_nll": ("token_weighted_reconstruction", "inter_latent_jsd", "baseline")}
    assert broken.error.term in terms.get(where, ("reconstruction",))


def test_a_member_with_bad_settings_fails_alone():
    bad, foreign, good = Trial(loss__beta=-1), Trial(model__width=32), Trial(seed=1)
    train_pack(Waiting([good, bad, foreign]))
    assert "loss.beta" in str(bad.error)
    assert "model.width=32" in str(foreign.error)
    assert same(good.final, alone(seed=1).final)


def test_trials_still_come_when_all_of_a_pack_had_bad_settings():
    trials = [Trial(loss__beta=-1), Trial(loss__beta=-2), Trial(seed=1)]
    train_pack(Waiting(trials, size=1))
    assert [trial.error is None for trial in trials] == [False, False, True]
    assert trials[2].final


def test_a_source_without_a_trial_makes_no_pack():
    slots = Waiting([])
    slots.size = None
    train_pack(slots)


@pytest.fixture(params=[2, 64])
def chunk(request, monkeypatch):
    """The steps of a chunk: cuts fall on its end, and inside it."""
    monkeypatch.setattr(batches, "LONGEST", request.param)
    for cached in (batches.examples, baselines):
        cached.cache_clear()
    yield request.param
    for cached in (batches.examples, baselines):
        cached.cache_clear()


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_an_interrupted_training_ends_with_the_same_bits(cut, chunk):
    """Reports are made at 2, 4 and 6."""
    changes = {"loss.marginal_ema": 0.5, "loss.schedules.beta.kind": "cosine", "seed": 3, "train.report_every": 2}
    whole, kept = Trial(changes), Kept(at=[cut], stop=True)
    train_pack(Waiting([whole]))
    first, second = Trial(changes, kept), Trial(changes, kept)
    train_pack(Waiting([first]))
    assert not first.ended
    assert kept.saved[1]["step"] == cut
    baselines.cache_clear()  # as in another process
    train_pack(Waiting([second]))
    reports = first.reports | second.reports
    assert list(reports) == [2, 4, 6]
    assert min(second.reports) > cut
    assert all(same(reports[step], whole.reports[step]) for step in reports)
    assert same(second.final, whole.final)


def test_one_member_of_a_pack_can_be_cut_off_and_go_on_alone():
    kept = Kept(at=[3], stop=True)
    first, other = Trial(checkpoint=kept), Trial(seed=1)
    train_pack(Waiting([first, other]))
    second = Trial(checkpoint=kept)
    train_pack(Waiting([second]))
    assert close(second.final, alone().final)
    assert close(other.final, alone(seed=1).final)


def test_saving_changes_nothing():
    saving = Trial(checkpoint=Kept(at=range(1, 7)))
    train_pack(Waiting([saving]))
    assert same(saving.final, alone().final)


def test_the_function_goes_on_from_a_checkpoint_too():
    class Stopped(Exception):
        pass

    class Raising(Kept):
        def save(self, step, tensors, data):
            super().save(step, tensors, data)
            raise Stopped

    kept, trial = Raising(at=[2]), Trial()
    with pytest.raises(Stopped):
        train(trial.params, trial.report, checkpoint=kept)
    assert same(train(trial.params, trial.report, checkpoint=kept), alone().final)


def test_the_commitment_to_a_latent_is_remembered_across_an_interruption():
    kept = Kept(at=[1], stop=True)
    train_pack(Waiting([Trial(checkpoint=kept)]))
    kept.saved[0]["commit_M"].fill_(1)
    second = Trial(checkpoint=kept)
    train_pack(Waiting([second]))
    assert second.final["diagnostics/commit_step"] == 1.0


def test_each_member_leaves_its_tables_and_model_in_its_own_folder(tmp_path):
    trials = [Trial(seed=seed, directory=tmp_path / str(seed)) for seed in range(2)]
    train_pack(Waiting(trials))
    for seed in range(2):
        assert {path.name for path in (tmp_path / str(seed)).iterdir()} == {
            "confusion.csv",
            "forced.csv",
            "model.safetensors",
        }


def test_a_router_without_a_learning_rate_stays_where_it_is():
    pack = started([Trial(train__router_lr_scale=0)])
    start_W = pack.state.flat_MW[0].clone()
    train_once(pack)
    moved_W = pack.state.flat_MW[0] != start_W
    assert not moved_W[pack.program.layout.router_W > 0].any()
    assert moved_W[pack.program.layout.router_W == 0].any()


def test_trials_of_one_task_and_shape_share_one_program():
    packs = [started([Trial(loss__beta=beta)]) for beta in (0.1, 0.2)]
    assert packs[0].program is packs[1].program
    assert build({}).task == build({"loss.beta": 0.5}).task


def test_a_pack_that_does_not_fit_is_halved_and_the_rest_given_back(monkeypatch):
    """The first two steps of five members do not fit, nor those of two; one does."""
    fits = Stepper.run

    def run(stepper, steps):
        if len(stepper.state) > 1:
            raise torch.cuda.OutOfMemoryError
        fits(stepper, steps)

    monkeypatch.setattr(Stepper, "run", run)
    trials = [Trial(seed=seed, checkpoint=Kept()) for seed in range(5)]
    slots = Waiting(trials)
    train_pack(slots)
    assert slots.back == [*trials[2:], trials[1]]
    assert all(trial.checkpoint.saved[1]["step"] == 0 for trial in slots.back)
    assert same(trials[0].final, alone(seed=0).final)


def test_one_member_that_does_not_fit_is_an_error(monkeypatch):
    def run(stepper, steps):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(Stepper, "run", run)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        train_pack(Waiting([Trial()]))


def test_a_report_that_memory_prevented_is_made_up_for(monkeypatch):
    evaluate = member_evaluation.evaluate_rows
    failed: list[bool] = []

    def evaluate_rows(program, members, rows, running, split=None):
        if not failed and running[0].step == 4:
            failed.append(True)
            raise torch.cuda.OutOfMemoryError
        return evaluate(program, members, rows, running, split)

    monkeypatch.setattr(pack_module, "evaluate_rows", evaluate_rows)
    trials = [Trial(seed=seed, train__report_every=2) for seed in range(2)]
    slots = Waiting(trials)
    train_pack(slots)
    assert list(trials[0].reports) == [2, 4, 6]
    assert slots.back == [trials[1]]
