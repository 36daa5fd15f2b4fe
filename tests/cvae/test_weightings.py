"""What tokens weigh: each weighting against another way to compute it. Shapes as in objective.py."""

import itertools
import math

import pytest
import torch

from sweeper.cvae import losses
from sweeper.cvae.config import build, check
from sweeper.cvae.evaluation import divergence
from sweeper.cvae.objective import LossForm, combine, score, token_weights
from sweeper.cvae.tasks import make_task
from sweeper.cvae.tasks.forks import forks
from sweeper.cvae.terms import WEIGHTINGS
from tests.cvae.networks.networks import batch_of, network, weights_of


def scores_of(seed=0):
    model, batch = network(seed, torch.float64), batch_of(seed, dtype=torch.float64)
    with torch.no_grad():
        scores = score(model(*batch), batch)
    return scores._replace(importance_BT=torch.rand(batch.mask_BT.shape, dtype=torch.float64)), batch.mask_BT


def terms_of(scores, mask_BT, **form):
    marginal_K = scores.log_q_BK.exp().mean(0)
    return combine(scores, mask_BT, weights_of(torch.float64), marginal_K, LossForm(**form))


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_each_weighting_changes_its_own_term_alone(weighting):
    scores, mask_BT = scores_of()
    weights_BT = token_weights(weighting, scores, mask_BT, torch.tensor(1.0))
    assert weights_BT[mask_BT == 0].abs().sum() == 0
    usual = terms_of(scores, mask_BT)
    jsd = terms_of(scores, mask_BT, token_weighting=weighting)
    assert float(jsd["inter_latent_jsd"]) == -float(losses.weighted_mean(scores.jsd_BT, weights_BT, mask_BT))
    rest = terms_of(scores, mask_BT, reconstruction_weighting=weighting)
    same = usual.keys() - {"inter_latent_jsd", "token_weighted_reconstruction", "total"}
    assert all(torch.equal(usual[name], jsd[name]) and torch.equal(usual[name], rest[name]) for name in same)
    assert torch.equal(usual["token_weighted_reconstruction"], jsd["token_weighted_reconstruction"])
    assert torch.equal(usual["inter_latent_jsd"], rest["inter_latent_jsd"])


def test_uniform_weights_are_the_mask_and_make_the_weighted_reconstruction_the_plain_one():
    scores, mask_BT = scores_of(1)
    assert torch.equal(token_weights("uniform", scores, mask_BT, torch.tensor(1.0)), mask_BT)
    terms = terms_of(scores, mask_BT, reconstruction_weighting="uniform")
    assert float(terms["token_weighted_reconstruction"]) == pytest.approx(float(terms["reconstruction"]))


def test_posterior_weights_are_the_models_own_nll_with_z_summed_out():
    scores, mask_BT = scores_of(2)
    found_BT = token_weights("posterior", scores, mask_BT, torch.tensor(1.0))
    for b, t in itertools.product(range(2), range(mask_BT.shape[1])):
        joint = [scores.log_prior_BK[b].exp() * (-scores.nll_BKT[b, :, :end].sum(-1)).exp() for end in (t, t + 1)]
        wanted = float(joint[0].sum().log() - joint[1].sum().log()) * float(mask_BT[b, t])
        assert float(found_BT[b, t]) == pytest.approx(wanted, abs=1e-12)


def test_a_mixture_by_the_posterior_is_the_information_of_z_given_the_prefix():
    model, batch = network(3, torch.float64), batch_of(3, dtype=torch.float64)
    logits = model.generator(batch.prompt_BP, batch.target_BT[:, :-1]).detach().requires_grad_()
    log_prior_BK = torch.rand(6, 3, dtype=torch.float64).log_softmax(-1)
    logp = losses.log_probabilities(logits)
    log_w_BKT = losses.prefix_posterior(log_prior_BK, losses.token_nll(logp, batch.target_BT[:, None])).detach()
    values = losses.mixture_jsd(logp, log_w_BKT), divergence.weighted_jsd(logp, log_w_BKT)
    assert torch.allclose(*values, atol=1e-12)
    one, other = (torch.autograd.grad(value.sum(), logits, retain_graph=True)[0] for value in values)
    assert torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ({}, [1, 0, 1, 0, 0, 0, 0]),
        ({"task.nuisance_tokens": 2}, [0, 0, 1, 0, 1, 0, 0, 0, 0]),
        ({"task.nuisance_tokens": 2, "task.nuisance_place": "between"}, [1, 0, 0, 0, 1, 0, 0, 0, 0]),
        ({"task.nuisance_tokens": 2, "task.nuisance_place": "repeated"}, [0, 1, 0, 1, 0, 0, 0, 0, 0]),
        ({"task.name": "detour"}, [1, 0, 0, 0, 0]),
        ({"task.name": "detour", "task.reveal": "implicit"}, [1, 0, 0, 0]),
    ],
)
def test_forks_are_where_strategies_part(task, wanted):
    made = make_task(build(task).task)
    batch = made.sample(made.split(8).train_R, 50, torch.Generator().manual_seed(0))
    found_BT = forks(made, batch.prompt_BP, batch.target_BT)
    assert found_BT.shape == batch.target_BT.shape
    assert all(row == wanted[: len(row)] for row in found_BT.tolist())


def test_a_token_that_says_nothing_of_the_rest_weighs_nothing_by_lookahead():
    logits = torch.randn(2, 3, 5, dtype=torch.float64)
    assert losses.lookahead_divergence(logits, logits).abs().max() < 1e-12


def test_a_fork_that_the_rest_reveals_weighs_what_the_baseline_gives_it_by_lookahead():
    p0 = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    for token in range(3):
        certain = 300.0 * torch.nn.functional.one_hot(torch.tensor(token), 3).double()
        found = losses.lookahead_divergence(certain[None, None], p0.log()[None, None])
        assert float(found) == pytest.approx(-math.log(float(p0[token])), abs=1e-9)


def test_lookahead_weights_are_the_conditional_information_in_expectation():
    joint_UV = torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    joint_UV = joint_UV / joint_UV.sum()  # of a token u and what follows it, v, given one prefix
    p_U, p_V = joint_UV.sum(1), joint_UV.sum(0)
    information = (joint_UV * (joint_UV / (p_U[:, None] * p_V)).log()).sum()
    given_v_VU = (joint_UV / p_V).T
    weight_V = losses.lookahead_divergence(given_v_VU.log()[None], p_U.log().expand(1, 6, 4))[0]
    assert float((p_V * weight_V).sum()) == pytest.approx(float(information), abs=1e-12)


def test_weights_that_a_task_cannot_give_are_refused():
    both = {"loss.token_weighting": "oracle_fork", "loss.reconstruction_weighting": "lookahead"}
    (problem,) = check(both)
    assert (problem.key, problem.found) == ("loss.reconstruction_weighting", "lookahead")
    assert not check(both | {"loss.reconstruction_weighting": "oracle_fork"})
