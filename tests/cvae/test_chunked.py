"""Losses in chunks against their plain form, which holds [B,K,T,V]. Shapes as in chunked.py."""

import pytest
import torch
from torch.func import grad, vmap

from sweeper.cvae import chunked, inter_latent_jsd_from_hidden, inter_latent_jsd_loss, losses

B, K, T, V, D = 3, 4, 5, 17, 6


@pytest.fixture(autouse=True, params=[1, 3 * K * V, 10**6], ids=["single", "some", "whole"])
def chunk(request, monkeypatch):
    monkeypatch.setitem(chunked.CHUNK, "cpu", request.param)


def inputs(dtype=torch.float64):
    torch.manual_seed(0)
    hidden, head = torch.randn(B, K, T, D, dtype=dtype), torch.randn(V, D, dtype=dtype)
    mask = torch.ones(B, T, dtype=torch.float64)
    mask[1, 3:] = 0
    baseline, target = torch.rand(B, T, dtype=torch.float64), torch.randint(V, (B, T))
    return hidden.requires_grad_(), head.requires_grad_(), baseline, mask, target


def plain(logits, baseline, mask):
    jsd = losses.inter_latent_jsd(losses.log_probabilities(logits))
    return -losses.weighted_mean(jsd, losses.token_weights(baseline, mask), mask)


def close(found, wanted, tolerance=1e-6):
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one.float(), other.float(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_loss_and_its_gradients_are_those_of_the_plain_form(dtype, tolerance):
    hidden, head, baseline, mask, _ = inputs(dtype)
    wanted = plain(hidden @ head.mT, baseline.to(dtype), mask.to(dtype))
    of_logits, of_hidden = (
        inter_latent_jsd_loss(hidden @ head.mT, baseline, mask)[0],
        inter_latent_jsd_from_hidden(hidden, head, baseline, mask)[0],
    )
    gradients = [torch.autograd.grad(loss, (hidden, head)) for loss in (wanted, of_logits, of_hidden)]
    close([of_logits, of_hidden], [wanted, wanted], tolerance)
    close(gradients[1], gradients[0], tolerance)
    close(gradients[2], gradients[0], tolerance)


def test_scores_of_tokens_are_those_of_the_plain_form():
    hidden, head, _, _, target = inputs()
    logp = losses.log_probabilities(hidden @ head.mT)
    wanted = losses.token_nll(logp, target[:, None]), losses.inter_latent_jsd(logp)
    weights = torch.rand(B, K, T, dtype=torch.float64), torch.rand(B, T, dtype=torch.float64)
    for found in (
        chunked.scores_from_logits(hidden @ head.mT, target),
        chunked.scores_from_hidden(hidden, head, target),
    ):
        close(found, wanted, 1e-12)
        totals = [(weights[0] * nll).sum() + (weights[1] * jsd).sum() for nll, jsd in (found, wanted)]
        ours, plainly = (torch.autograd.grad(total, (hidden, head), retain_graph=True) for total in totals)
        close(ours, plainly, 1e-12)


def test_the_gradients_are_right_numerically():
    hidden, head, _, _, target = inputs()
    assert torch.autograd.gradcheck(lambda h, w: tuple(chunked.scores_from_hidden(h, w, target)), (hidden, head))
    logits = (hidden @ head.mT).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(chunked.scores_from_logits(x, target)), (logits,))


def test_half_precision_is_multiplied_in_it_and_summed_in_float32():
    hidden, head, baseline, mask, _ = inputs(torch.bfloat16)
    loss, _ = inter_latent_jsd_from_hidden(hidden, head, baseline, mask)
    wanted = plain(hidden @ head.mT, baseline.float(), mask.float())
    assert loss.dtype == torch.float32
    close([loss], [wanted])
    ours, plainly = (torch.autograd.grad(one, (hidden, head)) for one in (loss, wanted))
    assert [gradient.dtype for gradient in ours] == [torch.bfloat16] * 2
    close(ours, plainly, 2e-2)  # a bfloat16 has 8 bits


def test_second_derivatives_are_refused():
    hidden, head, baseline, mask, _ = inputs()
    loss, _ = inter_latent_jsd_from_hidden(hidden, head, baseline, mask)
    (first,) = torch.autograd.grad(loss, hidden, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        torch.autograd.grad(first.sum(), hidden)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        grad(lambda h: grad(lambda g: inter_latent_jsd_from_hidden(g, head, baseline, mask)[0])(h).sum())(hidden)


def test_transforms_of_functions_give_the_same():
    hidden, head, baseline, mask, _ = inputs()

    def loss(h, w):
        return inter_latent_jsd_from_hidden(h, w, baseline, mask, check=False)[0]

    wanted = torch.autograd.grad(loss(hidden, head), (hidden, head))
    close(grad(loss, argnums=(0, 1))(hidden, head), wanted, 1e-12)
    stacked = [torch.stack([one, 2 * one]) for one in (hidden, head)]
    found = vmap(grad(loss, argnums=(0, 1)))(*stacked)
    close([each[0] for each in found], wanted, 1e-12)
    close([vmap(lambda h: loss(h, head))(stacked[0])[0]], [loss(hidden, head)], 1e-12)


def test_padding_may_hold_anything():
    hidden, head, baseline, mask, _ = inputs()
    wanted = torch.autograd.grad(inter_latent_jsd_from_hidden(hidden, head, baseline, mask)[0], hidden)[0]
    dirty = hidden.detach().clone()
    dirty[1, :, 3:] = torch.nan
    dirty.requires_grad_()
    loss, _ = inter_latent_jsd_loss(dirty @ head.detach().mT, baseline, mask)
    close(torch.autograd.grad(loss, dirty), [wanted], 1e-12)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (torch.tensor([[0, 5]]), "tokens from 0 to 5"),
        (torch.tensor([[-100, 1]]), "tokens from -100 to 1"),
        (torch.tensor([[0.0, 1.0]]), "torch.float32"),
        (torch.tensor([0, 1]), r"shape \[2\]"),
    ],
)
def test_targets_that_are_no_tokens_are_refused(target: torch.Tensor, found: str) -> None:
    hidden, head = torch.zeros(1, 3, 2, 4), torch.zeros(5, 4)
    for scores in (
        lambda: chunked.scores_from_hidden(hidden, head, target),
        lambda: chunked.scores_from_logits(hidden @ head.mT, target),
    ):
        with pytest.raises(ValueError, match=f"target.*{found}"):
            scores()
