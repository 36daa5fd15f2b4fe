"""The networks: what they may see, and that decoding step by step is the same as all at once."""

import pytest
import torch

from sweeper.cvae.networks.generation import free_run, under_every_latent
from tests.cvae.networks.networks import SIZES, batch_of, network


@torch.no_grad()
def outputs(model, batch):
    return model(*batch)


@pytest.mark.parametrize("prior", ["uniform", "learned", "conditional"])
def test_the_outputs_have_the_documented_shapes(prior):
    output = outputs(network(prior=prior), batch_of(size=6))
    assert output.logits_by_latent_BKTV.shape == (6, 3, 4, 7)
    assert output.router_logits_BK.shape == output.log_prior_BK.shape == (6, 3)
    assert output.baseline_logits_BTV.shape == (6, 4, 7)
    assert torch.allclose(output.log_prior_BK.exp().sum(1), torch.ones(6))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_token_is_predicted_from_the_past_alone(depth):
    model, batch = network(depth=depth, baseline_depth=depth), batch_of()
    changed = batch.target_BT.clone()
    changed[:, 2] = (changed[:, 2] + 1) % SIZES.trace_vocabulary
    before, after = outputs(model, batch), outputs(model, batch._replace(target_BT=changed))
    for logits, moved in zip(before[::3], after[::3], strict=True):
        assert torch.equal(logits[..., :3, :], moved[..., :3, :])
        assert not torch.equal(logits[..., 3, :], moved[..., 3, :])


def test_the_router_sees_the_whole_trace_but_no_padding():
    model, batch = network(), batch_of()
    batch.mask_BT[:, -1] = 0
    padded, shown = batch.target_BT.clone(), batch.target_BT.clone()
    padded[:, -1] = (padded[:, -1] + 1) % SIZES.trace_vocabulary
    shown[:, 2] = (shown[:, 2] + 1) % SIZES.trace_vocabulary
    logits_BK = outputs(model, batch).router_logits_BK
    assert torch.equal(logits_BK, outputs(model, batch._replace(target_BT=padded)).router_logits_BK)
    assert not torch.equal(logits_BK, outputs(model, batch._replace(target_BT=shown)).router_logits_BK)


def test_only_the_generator_sees_the_latent_and_the_latents_differ_from_the_start():
    logits_BKTV = outputs(network(), batch_of()).logits_by_latent_BKTV
    assert (logits_BKTV[:, 0] - logits_BKTV[:, 1]).abs().mean() > 0.01


@pytest.mark.parametrize("depth", [1, 2])
@torch.no_grad()
def test_decoding_a_token_at_a_time_repeats_the_teacher_forced_pass(depth):
    model, batch = network(dtype=torch.float64, depth=depth), batch_of(dtype=torch.float64)
    latent_B = torch.arange(6) % 3
    trace_BT = free_run(model.generator, batch.prompt_BP, latent_B, SIZES.trace_length)
    logits_BKTV = model.generator(batch.prompt_BP, trace_BT[:, :-1])
    own_BTV = logits_BKTV[torch.arange(6), latent_B]
    assert torch.equal(own_BTV.argmax(-1), trace_BT)
    logits_BV, state = model.generator.begin(batch.prompt_BP, latent_B)
    assert torch.allclose(logits_BV, own_BTV[:, 0])
    logits_BV, _ = model.generator.extend(trace_BT[:, 0], SIZES.prompt_length, latent_B, state)
    assert torch.allclose(logits_BV, own_BTV[:, 1])


def test_sampling_follows_the_distribution_and_the_numbers_given():
    model, batch = network(), batch_of(size=1)
    prompt_BP, latent_B = batch.prompt_BP.expand(5000, -1), torch.zeros(5000, dtype=torch.long)
    uniform_B1 = torch.rand(5000, 1, generator=torch.Generator().manual_seed(5))
    drawn = [free_run(model.generator, prompt_BP, latent_B, 1, uniform_B1)[:, 0] for _ in range(2)]
    p_V = outputs(model, batch).logits_by_latent_BKTV[0, 0, 0].softmax(-1)
    assert torch.equal(*drawn)
    assert torch.allclose(torch.bincount(drawn[0], minlength=7) / 5000, p_V, atol=0.03)


def test_every_prompt_is_continued_under_every_latent():
    model, batch = network(), batch_of(size=4)
    trace_NKT = under_every_latent(model.generator, batch.prompt_BP, 3, SIZES.trace_length)
    alone_NT = free_run(model.generator, batch.prompt_BP, torch.full((4,), 2), SIZES.trace_length)
    assert trace_NKT.shape == (4, 3, 4)
    assert torch.equal(trace_NKT[:, 2], alone_NT)


def test_initialisation_depends_on_its_generator_alone():
    torch.manual_seed(0)
    first = network(seed=3)
    torch.manual_seed(1)
    second, third = network(seed=3), network(seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.generator.head, third.generator.head)


def test_a_bayes_router_has_no_network():
    assert network(router="bayes").router is None


def test_the_notes_name_for_the_divergence_loss_is_kept():
    model, batch = network(), batch_of()
    logits_BKTV = outputs(model, batch).logits_by_latent_BKTV
    loss, diagnostics = model.compute_inter_latent_divergence_loss(logits_BKTV, torch.ones(6, 4), batch.mask_BT)
    assert float(loss) == -float(diagnostics["diagnostics/inter_latent_jsd/weighted_mean"])
