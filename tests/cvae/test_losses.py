"""Each term of the loss against another way to compute it. Shapes as in losses.py."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from sweeper.cvae import inter_latent_jsd_loss, losses
from sweeper.cvae.networks.transformer import FORBIDDEN

SIZES = {"seed": st.integers(0, 2**31), "latents": st.integers(1, 16), "vocabulary": st.integers(1, 64)}


def logits_of(seed, *shape, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def jsd_of(logits_BKTV):
    return losses.inter_latent_jsd(losses.log_probabilities(logits_BKTV))


def uniform_case(logits_BKTV):
    baseline_BT = torch.ones(logits_BKTV.shape[0], logits_BKTV.shape[2], dtype=logits_BKTV.dtype)
    return inter_latent_jsd_loss(logits_BKTV, baseline_BT, torch.ones_like(baseline_BT))


@settings(deadline=None, max_examples=60)
@given(**SIZES)
def test_jsd_is_the_entropy_of_the_mean_minus_the_mean_entropy(seed, latents, vocabulary):
    logits_KV = logits_of(seed, latents, vocabulary)
    p_KV = logits_KV.softmax(-1).numpy()
    wanted = entropy(p_KV.mean(0)) - np.mean([entropy(p_V) for p_V in p_KV])
    assert float(jsd_of(logits_KV[None, :, None])) == pytest.approx(wanted, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(seed=SIZES["seed"], vocabulary=SIZES["vocabulary"])
def test_jsd_of_two_is_the_square_of_scipys_distance(seed, vocabulary):
    logits_KV = logits_of(seed, 2, vocabulary)
    p_KV = logits_KV.softmax(-1).numpy()
    wanted = jensenshannon(p_KV[0], p_KV[1]) ** 2 if vocabulary > 1 else 0.0
    assert float(jsd_of(logits_KV[None, :, None])) == pytest.approx(wanted, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(**SIZES)
def test_jsd_is_the_mutual_information_of_latent_and_token(seed, latents, vocabulary):
    logits_KV = logits_of(seed, latents, vocabulary)
    joint_KV = logits_KV.softmax(-1) / latents
    product_KV = joint_KV.sum(1, keepdim=True) * joint_KV.sum(0)
    information = sum(float(j * (j / p).log()) for j, p in zip(joint_KV.flatten(), product_KV.flatten(), strict=True))
    assert float(jsd_of(logits_KV[None, :, None])) == pytest.approx(information, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(**SIZES)
def test_jsd_lies_between_zero_and_the_log_of_the_smaller_number(seed, latents, vocabulary):
    value = float(jsd_of(logits_of(seed, 1, latents, 1, vocabulary, scale=30.0)))
    assert -1e-12 <= value <= math.log(min(latents, vocabulary)) + 1e-12


@pytest.mark.parametrize(("latents", "vocabulary"), [(1, 5), (4, 8), (6, 3), (16, 16)])
def test_both_bounds_of_the_jsd_are_attained(latents, vocabulary):
    same_KV = logits_of(0, 1, vocabulary).expand(latents, vocabulary)
    assert float(jsd_of(same_KV[None, :, None])) == pytest.approx(0.0, abs=1e-12)
    tokens_K = torch.arange(latents) % vocabulary
    copies = latents // min(latents, vocabulary) * min(latents, vocabulary)
    sharp_KV = 200.0 * torch.nn.functional.one_hot(tokens_K[:copies], vocabulary).double()
    assert float(jsd_of(sharp_KV[None, :, None])) == pytest.approx(math.log(min(latents, vocabulary)), abs=1e-9)


def test_forbidden_tokens_do_not_raise_the_ceiling():
    logits_KV = torch.full((6, 8), FORBIDDEN)
    logits_KV[:, :2] = torch.tensor([[50.0, 0.0], [0.0, 50.0]]).repeat(3, 1)
    assert float(jsd_of(logits_KV[None, :, None])) == pytest.approx(math.log(2), abs=1e-6)


def test_the_order_of_latents_changes_nothing():
    logits_BKTV = logits_of(1, 3, 5, 4, 7)
    loss, _ = uniform_case(logits_BKTV)
    permuted, _ = uniform_case(logits_BKTV[:, torch.tensor([3, 0, 4, 2, 1])])
    assert float(loss) == pytest.approx(float(permuted), abs=1e-14)


def test_the_gradient_is_right():
    logits_BKTV = logits_of(2, 2, 4, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: uniform_case(logits)[0], logits_BKTV)


def test_the_gradient_is_the_notes_formula():
    logits_KV = logits_of(3, 5, 7).requires_grad_()
    (gradient_KV,) = torch.autograd.grad(jsd_of(logits_KV[None, :, None]).sum(), logits_KV)
    p_KV = logits_KV.detach().softmax(-1)
    ratio_KV = (p_KV / p_KV.mean(0)).log()
    kl_K1 = (p_KV * ratio_KV).sum(-1, keepdim=True)
    assert torch.allclose(gradient_KV, p_KV * (ratio_KV - kl_K1) / 5, atol=1e-14)


def test_the_gradient_is_exactly_zero_at_ties():
    logits_KV = logits_of(4, 1, 6).expand(4, 6).clone().requires_grad_()
    (gradient_KV,) = torch.autograd.grad(jsd_of(logits_KV[None, :, None]).sum(), logits_KV)
    assert gradient_KV.abs().max() < 1e-16


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (2, 1, 3, 4), (2, 3, 1, 4)])
@pytest.mark.parametrize("scale", [0.0, 50.0])
def test_values_and_gradients_stay_finite_at_the_extremes(shape, scale):
    sign = torch.where(torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    logits = (scale * sign).requires_grad_()
    loss, _ = uniform_case(logits)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


def test_rows_that_are_masked_altogether_are_worth_nothing():
    logits = logits_of(5, 2, 3, 4, 5).requires_grad_()
    loss, diagnostics = inter_latent_jsd_loss(logits, torch.ones(2, 4), torch.zeros(2, 4))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == 0.0
    assert gradient.abs().max() == 0
    assert all(float(value) == 0.0 for value in diagnostics.values())


def test_padding_never_matters():
    logits, baseline = logits_of(6, 2, 3, 4, 5), torch.rand(2, 4, dtype=torch.float64)
    mask = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0]])
    loss, _ = inter_latent_jsd_loss(logits, baseline, mask)
    dirty = torch.where(mask[:, None, :, None] > 0, logits, 1e4)
    dirty_baseline = torch.where(mask > 0, baseline, torch.nan)
    assert float(inter_latent_jsd_loss(dirty, dirty_baseline, mask)[0]) == float(loss)


def test_no_gradient_reaches_the_baseline():
    baseline = torch.rand(2, 4, requires_grad=True)
    logits = logits_of(7, 2, 3, 4, 5).requires_grad_()
    loss, _ = inter_latent_jsd_loss(logits, baseline, torch.ones(2, 4))
    (gradient,) = torch.autograd.grad(loss, baseline, allow_unused=True)
    assert gradient is None


def test_the_weighted_mean_is_the_loss_with_its_sign_turned():
    logits, baseline = logits_of(8, 2, 3, 4, 5), torch.rand(2, 4, dtype=torch.float64)
    loss, diagnostics = inter_latent_jsd_loss(logits, baseline, torch.ones(2, 4))
    jsd_BT = jsd_of(logits)
    wanted = float((baseline * jsd_BT).sum() / baseline.sum())
    assert float(diagnostics["diagnostics/inter_latent_jsd/weighted_mean"]) == pytest.approx(wanted)
    assert float(loss) == pytest.approx(-wanted)
    assert -math.log(3) <= float(loss) <= 0


def test_where_the_baseline_nll_is_zero_the_reward_fades():
    logits = logits_of(9, 2, 3, 4, 5)
    tiny, _ = inter_latent_jsd_loss(logits, torch.full((2, 4), 1e-4), torch.ones(2, 4))
    full, _ = inter_latent_jsd_loss(logits, torch.ones(2, 4), torch.ones(2, 4))
    assert float(tiny) == pytest.approx(float(full) * 1e-4 / losses.WEIGHT_FLOOR, rel=1e-3)


def test_half_precision_logits_are_judged_in_float32():
    loss, _ = inter_latent_jsd_loss(logits_of(0, 2, 3, 4, 5).half(), torch.ones(2, 4), torch.ones(2, 4))
    assert loss.dtype == torch.float32


def test_token_weights_pass_from_uniform_to_baseline_nll():
    baseline, mask = torch.tensor([[0.0, 2.0, 3.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    assert losses.token_weights(baseline, mask, 0.0).tolist() == [[1.0, 1.0, 0.0]]
    assert losses.token_weights(baseline, mask, 0.5).tolist() == [[0.5, 1.5, 0.0]]
    assert losses.token_weights(baseline, mask).tolist() == [[0.0, 2.0, 0.0]]


@settings(deadline=None, max_examples=40)
@given(seed=SIZES["seed"], latents=SIZES["latents"])
def test_the_kl_of_the_posterior_is_its_information_plus_the_marginal_kl(seed, latents):
    log_q_BK = logits_of(seed, 7, latents).log_softmax(-1)
    log_prior_BK = logits_of(seed + 1, 1, latents).log_softmax(-1).expand(7, -1)
    q_BK = log_q_BK.exp()
    information = float((q_BK * (log_q_BK - q_BK.mean(0).log())).sum(1).mean())
    marginal = float(losses.marginal_kl(q_BK.mean(0), log_prior_BK))
    assert float(losses.posterior_kl(log_q_BK, log_prior_BK)) == pytest.approx(information + marginal, abs=1e-10)


def test_a_one_hot_posterior_has_kl_log_k_and_no_entropy():
    log_q_BK = (200.0 * torch.eye(6, dtype=torch.float64)).log_softmax(-1)
    log_prior_BK = torch.full((6, 6), -math.log(6), dtype=torch.float64)
    assert float(losses.posterior_kl(log_q_BK, log_prior_BK)) == pytest.approx(math.log(6))
    assert float(losses.posterior_entropy(log_q_BK)) == pytest.approx(0.0)
    assert float(losses.marginal_kl(log_q_BK.exp().mean(0), log_prior_BK)) == pytest.approx(0.0)


def test_support_is_exactly_zero_once_each_latent_holds_the_floor():
    assert float(losses.router_support(torch.tensor([0.125, 0.125, 0.375, 0.375]), 0.5)) == 0.0
    assert float(losses.router_support(torch.tensor([0.0, 0.0, 0.5, 0.5]), 0.5)) == 0.5
    assert float(losses.router_support(torch.tensor([1.0, 0.0, 0.0, 0.0]), 0.5)) == 0.75


def test_posterior_losses_have_finite_gradients_at_extreme_logits():
    logits = torch.tensor([[300.0, -300.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    log_q_BK = losses.log_probabilities(logits)
    prior = torch.zeros(2, 3).log_softmax(-1)
    total = losses.posterior_entropy(log_q_BK) + losses.posterior_kl(log_q_BK, prior)
    total = total + losses.marginal_kl(losses.blended_marginal(log_q_BK, torch.full((3,), 1 / 3), 0.0), prior)
    assert torch.isfinite(torch.autograd.grad(total, logits)[0]).all()


def test_the_remembered_marginal_moves_slowly_but_pulls_at_full_strength():
    log_q_BK = logits_of(1, 4, 3).log_softmax(-1).requires_grad_()
    memory_K = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    blended_K = losses.blended_marginal(log_q_BK, memory_K, 0.9)
    batch_K = log_q_BK.exp().mean(0)
    assert torch.allclose(blended_K, 0.9 * memory_K + 0.1 * batch_K)
    slow, full = (torch.autograd.grad(m[0], log_q_BK, retain_graph=True)[0] for m in (blended_K, batch_K))
    assert torch.allclose(slow, full)


def test_uniform_weights_make_the_weighted_reconstruction_the_plain_one():
    expected_BT, mask_BT = torch.rand(3, 4), torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    for per_token in (False, True):
        plain = losses.reconstruction(expected_BT, mask_BT, per_token)
        weighted = losses.token_weighted_reconstruction(expected_BT, mask_BT, mask_BT, per_token)
        assert float(weighted) == pytest.approx(float(plain))
