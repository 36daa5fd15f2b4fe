"""Differences between latents' outputs, against direct enumeration. Shapes as in divergence.py."""

import math

import pytest
import torch

from sweeper.cvae import losses
from sweeper.cvae.evaluation import divergence


def logp_of(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).log_softmax(-1)


def test_uniform_weights_give_the_plain_divergence():
    logp_BKTV = logp_of(0, 2, 4, 3, 6)
    uniform_BKT = torch.full((2, 4, 3), -math.log(4), dtype=torch.float64)
    assert torch.allclose(divergence.weighted_jsd(logp_BKTV, uniform_BKT), losses.inter_latent_jsd(logp_BKTV))


def test_a_certain_latent_leaves_nothing_to_learn():
    certain_BKT = torch.tensor([0.0, -1e30, -1e30, -1e30]).double()[None, :, None].expand(2, 4, 3)
    assert divergence.weighted_jsd(logp_of(0, 2, 4, 3, 6), certain_BKT).abs().max() < 1e-12


def test_the_prefix_posterior_is_bayes_rule():
    nll_BKT = -logp_of(1, 1, 2, 3)
    prior_BK = torch.tensor([[0.25, 0.75]]).double().log()
    posterior_BKT = losses.prefix_posterior(prior_BK, nll_BKT).exp()
    assert torch.allclose(posterior_BKT[0, :, 0], prior_BK[0].exp())
    joint_K = prior_BK[0].exp() * (-nll_BKT[0, :, :2].sum(-1)).exp()
    assert torch.allclose(posterior_BKT[0, :, 2], joint_K / joint_K.sum())


def test_the_mean_pairwise_kl_is_that_of_the_pairs():
    logp_BKTV = logp_of(2, 2, 4, 3, 5)
    pairs = [
        (logp_BKTV[:, k].exp() * (logp_BKTV[:, k] - logp_BKTV[:, j])).sum(-1)
        for k in range(4)
        for j in range(4)
        if k != j
    ]
    assert torch.allclose(divergence.pairwise_kl(logp_BKTV), torch.stack(pairs).mean(0))
    assert divergence.pairwise_kl(logp_of(2, 2, 1, 3, 5)).abs().max() < 1e-12


def test_the_sequence_estimate_agrees_with_exact_enumeration():
    """One token a sequence: the full-sequence KL is then the KL of two categorical distributions."""
    logp_KV = logp_of(3, 3, 4)
    generator = torch.Generator().manual_seed(0)
    tokens_KN = torch.multinomial(logp_KV.exp(), 20_000, replacement=True, generator=generator)
    nll_NKK = -logp_KV[:, tokens_KN].permute(2, 1, 0)
    estimate = divergence.sequence_kl(nll_NKK)
    wanted = float(divergence.pairwise_kl(logp_KV[None, :, None]))
    assert estimate.mean == pytest.approx(wanted, abs=4 * estimate.standard_error)
    assert 0 < estimate.standard_error < 0.02


def test_one_latent_differs_from_nothing():
    assert divergence.sequence_kl(torch.rand(5, 1, 1)) == (0.0, 0.0)
