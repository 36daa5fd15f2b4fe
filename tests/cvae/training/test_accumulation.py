"""A batch in parts: the gradient, the terms and the result are those of the whole batch."""

import dataclasses

import pytest
import torch

from sweeper.cvae import objective
from sweeper.cvae.config import build, check, shape
from sweeper.cvae.training import baseline
from sweeper.cvae.training import step as step_module
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.step import advance
from tests.cvae.training.packs import SMALL, Trial, Waiting, close, interrupted, started

ALL: dict[str, object] = {
    "loss.inter_latent_divergence_weight": 1.0,
    "loss.router_marginal_kl_to_prior_weight": 0.7,
    "loss.router_support_weight": 2.0,
    "loss.posterior_entropy_weight": 0.3,
    "loss.token_weighted_reconstruction_weight": 0.4,
    "loss.support_floor": 0.99,
    "loss.marginal_ema": 0.5,
    "train.baseline_warmup": 0.0,
}
FORMS: dict[str, dict[str, object]] = {
    "all terms": {},
    "nats per token, posterior weights and mixture": {
        "loss.reduction": "mean",
        "loss.token_weighting": "posterior",
        "loss.reconstruction_weighting": "uniform",
        "loss.jsd_mixture": "posterior",
    },
    "look-ahead, conditional prior": {"loss.token_weighting": "lookahead", "model.prior": "conditional"},
    "forks, Bayes": {"loss.reconstruction_weighting": "oracle_fork", "model.router": "bayes"},
    "hard EM": {"model.router": "hard_bayes", "model.prior": "learned"},
    "padding": {"task.name": "sort_trace", "task.longest": 5, "train.test_prompts": 4},
}


def step(parts, members, changes):
    """The clipped gradient that one step in float64 leaves in AdamW's mean, its norm, and the marginal."""
    settings = ALL | changes | {"train.gradient_accumulation_steps": parts}
    pack = started([Trial(settings, seed=seed) for seed in range(members)])
    for field in dataclasses.fields(pack.state):
        tensor = getattr(pack.state, field.name)
        setattr(pack.state, field.name, tensor.double() if tensor.is_floating_point() else tensor)
    advance(pack.program, pack.state)
    return pack.state.mean_MW, pack.state.norm_M, pack.state.marginal_MK


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("form", FORMS)
def test_the_gradient_of_parts_is_that_of_the_whole_batch(form, members, monkeypatch):
    def filled(rows, program):  # what a baseline gives, to the bit
        for tensor in (rows.baseline_nll_GCBT, rows.lookahead_GCBT):
            tensor.copy_((torch.arange(tensor.numel()) * 0.37 % 1.9).view(tensor.shape))

    monkeypatch.setattr(baseline.BaselineBatch, "advance", filled)
    whole = step(1, members, FORMS[form])
    for one, other in zip(step(4, members, FORMS[form]), whole, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12), (one - other).abs().max()


def test_a_baseline_in_parts_is_that_of_whole_batches():
    found = []
    for parts in (1, 4):
        config = build(SMALL | FORMS["padding"] | {"train.gradient_accumulation_steps": parts})
        config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, token_weighting="lookahead"))
        trained, key = baseline.Baselines(Program.of(config)), baseline.BaselineKey.of(config, 0)
        found.append((trained.parameters([(key, 6)]), trained.baseline_nll([(key, 0)])[0][:6]))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_training_in_parts_ends_as_one_of_whole_batches():
    finals = []
    for parts in (1, 4):
        trial = Trial(ALL, train__gradient_accumulation_steps=parts)
        train_pack(Waiting([trial]))
        finals.append(trial.final)
    assert close(*finals)


def test_an_interrupted_training_in_parts_ends_with_the_same_bits():
    changes = ALL | {"train.gradient_accumulation_steps": 4}
    whole, second = interrupted(changes)
    assert repr(second) == repr(whole)


def test_a_member_of_a_pack_has_the_bits_that_its_neighbours_leave_it():
    trials = [Trial(ALL, seed=seed, train__gradient_accumulation_steps=2) for seed in range(2)]
    broken = started(trials)
    healthy = started([Trial(ALL, seed=seed, train__gradient_accumulation_steps=2) for seed in range(2)])
    broken.state.flat_MW[0] = float("nan")
    for pack in (broken, healthy):
        pack.stepper.run(2)
    assert torch.equal(broken.state.flat_MW[1], healthy.state.flat_MW[1])
    assert broken.state.bad_M.tolist() == [1, -1]


def test_parts_are_equal_and_trials_of_a_pack_agree_in_them():
    (problem,) = check({"train.batch_size": 128, "train.gradient_accumulation_steps": 3})
    assert str(problem) == "train.gradient_accumulation_steps: found 3, allowed: a divisor of train.batch_size = 128"
    assert shape({"train.gradient_accumulation_steps": 2}) != shape({})


def test_nothing_of_the_size_of_the_whole_batch_s_logits_is_made(monkeypatch):
    seen = []

    def watched(output, *given):
        seen.append(output.logits_by_latent_BKTV.shape[1])
        return objective.score(output, *given)

    monkeypatch.setattr(step_module, "score", watched)
    started([Trial(train__gradient_accumulation_steps=4)]).stepper.run(1)
    assert seen == [4] * 8
