"""The flat AdamW, against torch's own."""

import pytest
import torch

from sweeper.cvae.training.optimizers.adamw import (
    BETA1,
    BETA2,
    EPSILON,
    Moments,
    adamw_direction,
    bias_correction,
    clip_,
    move_,
)
from sweeper.cvae.training.optimizers.layout import Layout
from sweeper.cvae.training.schedules import warmup_cosine
from tests.cvae.networks.networks import network, parameters_of


def gradients(count, size=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(count)]


def run(start_W, gradients, rate_W, decay_W):
    flat_W, moments = start_W.clone(), Moments(torch.zeros_like(start_W), torch.zeros_like(start_W))
    for step, gradient_W in enumerate(gradients, start=1):
        correction = torch.tensor(bias_correction(step), dtype=start_W.dtype).expand(start_W.shape[:-1])
        move_(flat_W, adamw_direction(gradient_W, moments, correction), rate_W, decay_W)
    return flat_W


def test_ten_steps_are_those_of_torchs_adamw():
    start_W = gradients(1, seed=9)[0]
    theirs = start_W.clone().requires_grad_()
    optimiser = torch.optim.AdamW([theirs], lr=0.01, betas=(BETA1, BETA2), eps=EPSILON, weight_decay=0.1)
    for gradient_W in gradients(10):
        theirs.grad = gradient_W
        optimiser.step()
    rate_W, decay_W = torch.full_like(start_W, 0.01), torch.full_like(start_W, 0.1)
    assert torch.allclose(run(start_W, gradients(10), rate_W, decay_W), theirs.detach(), rtol=1e-8)


def test_elements_may_have_rates_of_their_own():
    start_W, rate_W = torch.ones(5, dtype=torch.float64), torch.tensor([0.0, 0.01, 0.02, 0.02, 0.0]).double()
    end_W = run(start_W, [torch.ones(5, dtype=torch.float64)] * 3, rate_W, torch.zeros(5))
    assert torch.allclose(end_W, 1 - 3 * rate_W)


def test_clipping_leaves_a_small_gradient_alone():
    gradient_W = torch.tensor([0.3, 0.4])
    assert float(clip_(gradient_W, torch.tensor(1.0))) == 0.5
    assert torch.equal(gradient_W, torch.tensor([0.3, 0.4]))


def test_clipping_bounds_each_member_by_its_own_limit():
    gradient_MW = torch.tensor([[3.0, 4.0]] * 2)
    assert clip_(gradient_MW, torch.tensor([1.0, 10.0])).tolist() == [5.0, 5.0]
    assert torch.allclose(gradient_MW, torch.tensor([[0.6, 0.8], [3.0, 4.0]]))


def test_an_update_of_stacked_members_is_that_of_each():
    members, rate_MW = torch.stack(gradients(3)), torch.tensor([0.1, 0.2, 0.3]).double()[:, None].expand(3, 5)
    decay_W = torch.full((5,), 0.1)
    together = run(members, [members], rate_MW, decay_W)
    for i in range(3):
        assert torch.allclose(together[i], run(members[i], [members[i]], rate_MW[i], decay_W))


def test_a_layout_takes_a_model_apart_and_puts_it_together():
    model = network()
    layout, parameters = Layout.of(dict(model.named_parameters())), parameters_of(model)
    again = layout.unflatten(layout.flatten(parameters))
    assert all(torch.equal(again[name], parameters[name]) for name in parameters)
    assert int(layout.router_W.sum()) == sum(p.numel() for p in model.router.parameters())
    assert not (layout.unflatten(layout.decayed_W)["generator.latent"]).any()
    assert (layout.unflatten(layout.decayed_W)["generator.head"]).all()


def test_the_learning_rate_rises_and_falls():
    rates = [warmup_cosine(step, 100, 1.0, 0.1, 0.02) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.02)
    assert rates[9:] == sorted(rates[9:], reverse=True)
