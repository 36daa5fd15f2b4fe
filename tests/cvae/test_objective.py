"""The whole loss: against plain Python, its identities, and of stacked members."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from sweeper.cvae import losses
from sweeper.cvae.objective import LossForm, combine, exact_log_posterior, score, step_loss
from sweeper.cvae.tasks import Batch
from tests.cvae.networks.networks import baseline_nll_of, batch_of, network, own_parameters_of, stack, weights_of

SUM, MEAN = LossForm(), LossForm(per_token=True)  # whether the reconstruction is counted per token
ALL = {
    "beta": 0.7,
    "posterior_entropy_weight": 0.2,
    "router_marginal_kl_to_prior_weight": 0.5,
    "router_support_weight": 0.3,
    "inter_latent_divergence_weight": 0.9,
    "token_weighted_reconstruction_weight": 0.4,
}
UNIFORM = torch.full((3,), 1 / 3, dtype=torch.float64)


def scores_of(seed=0, **changes):
    model, batch = network(seed, torch.float64, **changes), batch_of(seed, dtype=torch.float64)
    with torch.no_grad():
        return score(model(*batch), batch), batch


def gradients_of(weights, reduction=SUM, seed=0, dtype=torch.float64):
    model, batch = network(seed, dtype), batch_of(seed, dtype=dtype)
    parameters = {name: value.requires_grad_() for name, value in own_parameters_of(model).items()}
    loss, _ = step_loss(model, parameters, weights, batch, baseline_nll_of(model, batch), UNIFORM.to(dtype), reduction)
    found = torch.autograd.grad(loss, list(parameters.values()))
    return torch.cat([gradient.flatten() for gradient in found])


def terms_in_plain_python(scores, batch, floor=0.5):
    """Every term by loops over examples, positions and latents."""
    q, prior = scores.log_q_BK.exp().tolist(), scores.log_prior_BK.exp().tolist()
    nll, base, mask = scores.nll_BKT.tolist(), scores.baseline_nll_BT.tolist(), batch.mask_BT.tolist()
    logp = scores.logp_BKTV.tolist()
    examples, latents, length = len(q), len(q[0]), len(mask[0])
    cells = [(b, t) for b in range(examples) for t in range(length) if mask[b][t]]
    expected = {(b, t): sum(q[b][k] * nll[b][k][t] for k in range(latents)) for b, t in cells}

    def jsd(b, t):
        p = [[math.exp(value) for value in logp[b][k][t]] for k in range(latents)]
        mean = [sum(column) / latents for column in zip(*p, strict=True)]
        return sum(v * math.log(v / m) for row in p for v, m in zip(row, mean, strict=True)) / latents

    weight = sum(base[b][t] for b, t in cells)
    qbar = [sum(q[b][k] for b in range(examples)) / examples for k in range(latents)]
    pbar = [sum(prior[b][k] for b in range(examples)) / examples for k in range(latents)]
    weighted = sum(base[b][t] * expected[b, t] for b, t in cells) / weight
    return {
        "reconstruction": sum(expected.values()) / examples,
        "token_weighted_reconstruction": weighted * len(cells) / examples,
        "posterior_kl": sum(q[b][k] * math.log(q[b][k] / prior[b][k]) for b in range(examples) for k in range(latents))
        / examples,
        "posterior_entropy": -sum(v * math.log(v) for row in q for v in row) / examples,
        "router_marginal_kl": sum(a * math.log(a / p) for a, p in zip(qbar, pbar, strict=True)),
        "router_support": sum(max(0, 1 - a * latents / floor) ** 2 for a in qbar) / latents,
        "inter_latent_jsd": -sum(base[b][t] * jsd(b, t) for b, t in cells) / weight,
        "baseline": sum(base[b][t] for b, t in cells) / len(cells),
    }


@pytest.mark.parametrize("prior", ["uniform", "learned", "conditional"])
def test_every_term_is_what_plain_python_makes_of_it(prior):
    scores, batch = scores_of(3, prior=prior)
    marginal_K = scores.log_q_BK.exp().mean(0)
    terms = combine(scores, batch.mask_BT, weights_of(torch.float64, **ALL), marginal_K, SUM)
    wanted = terms_in_plain_python(scores, batch)
    assert {name: float(terms[name]) for name in wanted} == pytest.approx(wanted, rel=1e-10)
    total = 0.6 * wanted["reconstruction"] + 0.4 * wanted["token_weighted_reconstruction"]
    total += 0.7 * wanted["posterior_kl"] + 0.2 * wanted["posterior_entropy"] + 0.5 * wanted["router_marginal_kl"]
    total += 0.3 * wanted["router_support"] + 0.9 * wanted["inter_latent_jsd"]
    assert float(terms["total"]) == pytest.approx(total, rel=1e-10)


@settings(deadline=None, max_examples=15)
@given(shift=st.floats(-2, 2), seed=st.integers(0, 1000))
def test_beta_and_entropy_weight_are_redundant_under_a_uniform_prior(shift, seed):
    """(beta + d, w_H + d, w_M) changes the loss by a constant and its gradient not at all."""
    shifted = ALL | {"beta": ALL["beta"] + shift, "posterior_entropy_weight": ALL["posterior_entropy_weight"] + shift}
    first = gradients_of(weights_of(torch.float64, **ALL), seed=seed)
    second = gradients_of(weights_of(torch.float64, **shifted), seed=seed)
    assert torch.allclose(first, second, rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=10)
@given(beta=st.floats(0, 2), w_h=st.floats(-1, 1), w_m=st.floats(0, 2))
def test_only_two_combinations_of_the_three_weights_matter(beta, w_h, w_m):
    """(beta - w_H) on the information and (beta + w_M - w_H) on the marginal."""
    three = {"beta": beta, "posterior_entropy_weight": w_h, "router_marginal_kl_to_prior_weight": w_m}
    two = {"beta": beta - w_h, "router_marginal_kl_to_prior_weight": w_m}
    first, second = (gradients_of(weights_of(torch.float64, **given)) for given in (three, two))
    assert torch.allclose(first, second, rtol=1e-9, atol=1e-11)


def test_the_mean_reduction_makes_every_other_weight_act_t_times_stronger():
    model, batch = network(0, torch.float64), batch_of(0, dtype=torch.float64)
    batch = batch._replace(mask_BT=torch.ones_like(batch.mask_BT))
    with torch.no_grad():
        scores = score(model(*batch), batch)
    length, marginal_K = batch.mask_BT.shape[1], scores.log_q_BK.exp().mean(0)
    rho = "token_weighted_reconstruction_weight"
    stronger = {name: value if name == rho else value * length for name, value in ALL.items()}
    mean = combine(scores, batch.mask_BT, weights_of(torch.float64, **ALL), marginal_K, MEAN)["total"]
    whole = combine(scores, batch.mask_BT, weights_of(torch.float64, **stronger), marginal_K, SUM)["total"]
    assert float(mean) * length == pytest.approx(float(whole), rel=1e-12)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000))
def test_the_elbo_is_at_most_the_likelihood_and_equal_under_the_exact_posterior(seed):
    scores, batch = scores_of(seed)
    nll_BK = (scores.nll_BKT * batch.mask_BT[:, None]).sum(-1)
    likelihood_B = torch.logsumexp(scores.log_prior_BK - nll_BK, dim=1)

    def elbo(log_q_BK):
        return (log_q_BK.exp() * (scores.log_prior_BK - nll_BK - log_q_BK)).sum(1)

    assert (elbo(scores.log_q_BK) <= likelihood_B + 1e-12).all()
    exact_BK = exact_log_posterior(scores.log_prior_BK, scores.nll_BKT, batch.mask_BT)
    assert torch.allclose(elbo(exact_BK), likelihood_B, atol=1e-10)


def test_a_bayes_router_is_the_exact_posterior():
    scores, batch = scores_of(0, router="bayes")
    exact_BK = exact_log_posterior(scores.log_prior_BK, scores.nll_BKT, batch.mask_BT)
    assert torch.equal(scores.log_q_BK, exact_BK)


def test_hard_em_counts_the_likeliest_latent_alone():
    model, batch = network(0, torch.float64, router="hard_bayes"), batch_of(0, dtype=torch.float64)
    parameters = {name: value.requires_grad_() for name, value in own_parameters_of(model).items()}
    baseline_nll_BT, weights = baseline_nll_of(model, batch), weights_of(torch.float64, beta=1.0)
    loss, (terms, _) = step_loss(model, parameters, weights, batch, baseline_nll_BT, UNIFORM, SUM)
    scores = score(functional_call(model, parameters, tuple(batch)), batch)
    likeliest_B = losses.sequence_nll(scores.nll_BKT, batch.mask_BT).min(-1).values  # the prior is uniform
    assert torch.allclose(terms["reconstruction"], likeliest_B.mean(), rtol=1e-12)
    assert float(terms["posterior_kl"]) == pytest.approx(math.log(3))
    assert float(terms["posterior_entropy"]) == 0
    found, asked = (torch.autograd.grad(one, [*parameters.values()]) for one in (loss, likeliest_B.mean()))
    assert all(torch.allclose(one, other, atol=1e-12) for one, other in zip(found, asked, strict=True))


def test_what_lies_under_the_mask_changes_neither_loss_nor_gradient():
    model, batch = network(0, torch.float64), batch_of(0, dtype=torch.float64)
    changed = batch.target_BT.clone()
    changed[0, -1] = (changed[0, -1] + 1) % 7
    results = []
    for target_BT in (batch.target_BT, changed):
        parameters = {name: value.requires_grad_() for name, value in own_parameters_of(model).items()}
        example = Batch(batch.prompt_BP, target_BT, batch.mask_BT)
        weights, baseline_nll_BT = weights_of(torch.float64, **ALL), baseline_nll_of(model, example)
        loss, _ = step_loss(model, parameters, weights, example, baseline_nll_BT, UNIFORM, SUM)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        results.append((float(loss.detach()), torch.cat([g.flatten() for g in gradients])))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-14)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-14)


def test_the_loss_gives_the_baseline_no_gradient():
    model, batch = network(), batch_of()
    baseline_nll_BT = baseline_nll_of(model, batch).requires_grad_()
    weights = weights_of(**ALL)
    loss, (terms, _) = step_loss(model, own_parameters_of(model), weights, batch, baseline_nll_BT, UNIFORM.float(), SUM)
    assert not loss.requires_grad
    assert torch.equal(terms["baseline"], losses.reconstruction(baseline_nll_BT, batch.mask_BT, per_token=True))


def member(i, dtype, **changes):
    """Model, batch and weights of the i-th of several unlike members."""
    weights = weights_of(dtype, **{name: value * (1 + i) / 2 for name, value in ALL.items()}, marginal_ema=i / 20)
    return (
        network(i, dtype, **changes),
        batch_of(i, dtype=dtype),
        weights._replace(token_weight_warmup=weights.of_terms["beta"] / 6),
    )


def gradients(model, parameters, batch, baseline_nll_BT, weights, marginal_K):
    parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    loss, _ = step_loss(model, parameters, weights, batch, baseline_nll_BT, marginal_K, SUM)
    return dict(zip(parameters, torch.autograd.grad(loss.sum(), list(parameters.values())), strict=True))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("changes", [{}, {"router": "bayes", "prior": "conditional"}, {"prior": "learned", "depth": 2}])
@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_stacked_members_have_the_gradients_they_have_alone(count, changes, dtype, tolerance):
    models, batches, weights = zip(*(member(i, dtype, **changes) for i in range(count)), strict=True)
    uniform_K = UNIFORM.to(dtype)
    together = gradients(
        models[0],
        stack([own_parameters_of(model) for model in models]),
        stack(batches),
        torch.stack([baseline_nll_of(model, batch) for model, batch in zip(models, batches, strict=True)]),
        stack(weights),
        uniform_K.expand(count, -1),
    )
    for i, model in enumerate(models):
        alone = gradients(
            model, own_parameters_of(model), batches[i], baseline_nll_of(model, batches[i]), weights[i], uniform_K
        )
        for name, gradient in alone.items():
            scale = gradient.abs().max().clamp_min(1e-3)
            assert (together[name][i] - gradient).abs().max() <= tolerance * scale, name


def test_a_member_that_is_not_a_number_leaves_the_others_gradients_alone():
    models, batches, weights = zip(*(member(i, torch.float32) for i in range(3)), strict=True)
    parameters = stack([own_parameters_of(model) for model in models])
    marginal_MK = UNIFORM.float().expand(3, -1)
    baseline_nll_MBT = torch.stack(
        [baseline_nll_of(model, batch) for model, batch in zip(models, batches, strict=True)]
    )
    rest = (stack(batches), baseline_nll_MBT, stack(weights), marginal_MK)
    healthy = gradients(models[0], parameters, *rest)
    broken = {
        name: torch.cat([value[:1], torch.full_like(value[1:2], math.nan), value[2:]])
        for name, value in parameters.items()
    }
    found = gradients(models[0], broken, *rest)
    for name, gradient in healthy.items():
        assert torch.equal(found[name][[0, 2]], gradient[[0, 2]]), name
