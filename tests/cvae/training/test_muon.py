"""Muon, against torch's own and in whole trainings."""

import pytest
import torch

from sweeper.cvae.config import shape
from sweeper.cvae.training.optimizers.adamw import BETA1, Moments, adamw_direction, move_
from sweeper.cvae.training.optimizers.layout import Layout
from sweeper.cvae.training.optimizers.muon import orthogonal, orthogonalize_
from sweeper.cvae.training.pack import train_pack
from tests.cvae.training.packs import Trial, Waiting, close, interrupted, same, started

MUON: dict[str, object] = {"train.optimizer": "muon", "train.learning_rate": 0.01}


def drawn(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def moved(parameters, steps, members=1):
    """The parameters [M,W] after as many steps with gradients that are drawn, and their layout."""
    layout = Layout.of(parameters)
    flat_MW = layout.flatten(parameters).repeat(members, 1)
    moments = Moments(torch.zeros_like(flat_MW), torch.zeros_like(flat_MW))
    for step in range(steps):
        gradient_MW = drawn(members, flat_MW.shape[-1], seed=step)
        direction_MW = adamw_direction(gradient_MW, moments, torch.ones(members))
        orthogonalize_(layout, direction_MW, gradient_MW, moments.mean_W)
        move_(flat_MW, direction_MW, torch.full_like(flat_MW, 0.01), 0.1 * layout.decayed_W)
    return flat_MW, layout


@pytest.mark.parametrize("size", [(8, 8), (16, 8), (8, 16)], ids=str)
def test_steps_are_those_of_torchs_muon(size):
    start = drawn(*size, seed=9)
    theirs = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, momentum=BETA1, adjust_lr_fn="match_rms_adamw")
    for step in range(5):
        theirs.grad = drawn(1, start.numel(), seed=step).view(size)
        optimizer.step()
    ours, _ = moved({"blocks.0.up": start}, 5)
    travelled = (theirs.detach() - start).norm()
    assert (ours.view(size) - theirs.detach()).norm() < 0.02 * travelled  # torch's products are in bfloat16


def test_singular_vectors_stay_and_singular_values_become_about_one():
    matrix_NRC = drawn(3, 8, 12)
    u, _, v = torch.linalg.svd(matrix_NRC, full_matrices=False)
    values = u.mT @ orthogonal(matrix_NRC) @ v.mT
    diagonal = values.diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(values, torch.diag_embed(diagonal), atol=1e-4)
    assert diagonal.min() > 0.6
    assert diagonal.max() < 1.3


def test_a_gradient_of_zero_stays_zero():
    assert not orthogonal(torch.zeros(1, 4, 4)).any()


def test_keys_and_values_are_matrices_of_their_own():
    stacked, _ = moved({"key_value": torch.zeros(16, 8)}, 1)
    for half, gradient in zip(stacked.view(2, 8, 8), drawn(1, 128).view(2, 8, 8), strict=True):
        alone = orthogonal(gradient[None])[0]
        assert torch.allclose(half, -0.01 * 0.2 * 8**0.5 * alone, atol=1e-6)


def test_embeddings_outputs_and_vectors_move_by_adamw():
    parameters = {
        "generator.head": drawn(8, 8, seed=1),
        "trunk.embedding.trace": drawn(8, 8, seed=2),
        "generator.latent": drawn(8, 8, seed=3),
        "prior.logits": drawn(1, 8, seed=4),
        "scale": drawn(8, seed=5),
    }
    flat_MW, layout = moved(parameters, 3)
    plain_MW = layout.flatten(parameters)[None]
    moments = Moments(torch.zeros_like(plain_MW), torch.zeros_like(plain_MW))
    for step in range(3):
        direction_MW = adamw_direction(drawn(1, plain_MW.shape[-1], seed=step), moments, torch.ones(1))
        move_(plain_MW, direction_MW, torch.full_like(plain_MW, 0.01), 0.1 * layout.decayed_W)
    assert torch.equal(flat_MW, plain_MW)


def test_an_interrupted_training_ends_with_the_same_bits():
    whole, second = interrupted(MUON)
    assert same(second, whole)
    plain = Trial()
    train_pack(Waiting([plain]))
    assert plain.final["nll"] != whole["nll"]


def test_members_of_a_pack_end_as_they_do_alone():
    alone = [Trial(MUON, seed=seed, train__router_lr_scale=scale) for seed, scale in ((0, 1.0), (1, 0.5), (1, 2.0))]
    together = [Trial(dict(trial.params)) for trial in alone]
    for trial in alone:
        train_pack(Waiting([trial]))
    train_pack(Waiting(together))
    assert all(close(one.final, other.final) for one, other in zip(alone, together, strict=True))


def test_the_router_moves_at_its_own_rate():
    pack = started([Trial(MUON, train__router_lr_scale=0.0)])
    before = pack.program.layout.unflatten(pack.state.flat_MW.clone())
    pack.step()
    after = pack.program.layout.unflatten(pack.state.flat_MW)
    moved_names = {name for name in before if not torch.equal(before[name], after[name])}
    assert "generator.read" in moved_names
    assert not any(name.startswith("router.") for name in moved_names)


def test_trials_of_a_pack_agree_in_the_optimizer():
    assert shape(MUON) != shape({"train.learning_rate": 0.01})
