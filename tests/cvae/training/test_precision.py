"""bfloat16 by autocast: products in it, everything else in float32. On a CPU; a GPU has the same casts."""

import math

import pytest
import torch

from sweeper.cvae.config import shape
from sweeper.cvae.tasks.task import Batch, counted
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.step import _score, advance
from tests.cvae.training.packs import Trial, Waiting, interrupted, same, started

HALF = {"train.precision": "bfloat16"}
FORMS: list[dict[str, object]] = [
    {},
    {"model.prior": "conditional", "loss.token_weighting": "lookahead"},
    {"train.gradient_accumulation_steps": 4, "loss.jsd_mixture": "posterior", "model.router": "bayes"},
    {"task.name": "sort_trace", "task.longest": 5, "train.test_prompts": 4},
]


@pytest.mark.parametrize("changes", FORMS, ids=str)
def test_losses_are_those_of_float32_within_a_few_percent(changes):
    plain, half = Trial(changes, train__steps=20), Trial(changes | HALF, train__steps=20)
    for trial in (plain, half):
        train_pack(Waiting([trial]))
        assert trial.error is None
    for name in ("nll", "nll_baseline", "loss/total", "posterior_entropy"):
        assert half.final[name] == pytest.approx(plain.final[name], rel=0.03, abs=0.02), name
    assert half.final["nll"] != plain.final["nll"]


@pytest.mark.parametrize("prior", ["uniform", "learned", "conditional"])
def test_what_is_summed_is_float32(prior):
    pack = started([Trial(HALF, model__prior=prior)])
    program, state = pack.program, pack.state
    target = state.target_MCBT[:, 0].long()
    batch = Batch(state.prompt_MCBP[:, 0].long(), target, counted(target, program.task.end))
    with program.autocast():
        assert program.model.generator(batch.prompt_BP[0], target[0, :, :-1]).dtype == torch.bfloat16
    found = _score(program, state.flat_MW, batch, state.baseline_nll_MCBT[:, 0], state.importance_MCBT[:, 0])
    assert all(part.dtype == torch.float32 for part in found)
    assert torch.allclose(found.log_q_BK.exp().sum(-1), torch.ones(1, 16), atol=1e-6)
    assert torch.allclose(found.log_prior_BK.exp().sum(-1), torch.ones(1, 16), atol=1e-6)
    if prior == "uniform":
        assert found.log_prior_BK[0, 0, 0].item() == pytest.approx(-math.log(6), rel=1e-6)
    advance(program, state)
    assert {state.flat_MW.dtype, state.mean_MW.dtype, state.norm_M.dtype} == {torch.float32}
    assert math.isfinite(state.norm_M.item())


def test_an_interrupted_training_in_half_precision_ends_with_the_same_bits():
    whole, second = interrupted(HALF)
    assert same(second, whole)


def test_trials_of_a_pack_agree_in_the_precision():
    assert shape(HALF) != shape({})
