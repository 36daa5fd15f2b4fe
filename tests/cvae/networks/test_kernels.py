"""Large sizes are computed otherwise: the same numbers up to rounding, alone and stacked, with and without padding."""

import pytest
import torch

from sweeper.cvae.config import ModelConfig, build
from sweeper.cvae.memory.task_sizes import task_sizes
from sweeper.cvae.networks import transformer
from sweeper.cvae.networks.kernels import FUSED_ABOVE, GATHERED_ABOVE
from sweeper.cvae.networks.model import SharedDiscreteCVAE, Sizes
from sweeper.cvae.tasks import Batch
from sweeper.cvae.training.pack import train_pack
from tests.cvae.networks.networks import SMALL, network, parameters_of, stack
from tests.cvae.training.packs import Trial, Waiting, close

LARGEST = [
    {"task.modulus": 32, "task.operators": 4, "task.nuisance_tokens": 4},
    {"task.name": "detour", "task.modulus": 32, "task.strategies": 31, "task.nuisance_tokens": 4},
    {"task.name": "ordered_sum", "task.length": 7, "task.nuisance_tokens": 4},
    {"task.name": "sort_trace", "task.longest": 10},
]


@pytest.mark.parametrize("params", LARGEST, ids=str)
def test_all_tasks_that_come_with_the_trainer_are_computed_as_ever(params):
    """Their published numbers stay: only files of one's own may be larger."""
    sizes = task_sizes(build(params).task)
    assert max(sizes.prompt_vocabulary, sizes.trace_vocabulary) <= GATHERED_ABOVE
    assert sizes.positions <= FUSED_ABOVE


@pytest.mark.parametrize("stacked", [False, True])
def test_rows_that_are_gathered_are_those_of_the_one_hot_product(stacked, monkeypatch):
    table = torch.randn(*(3,) * stacked, 150, 8, requires_grad=True)
    tokens = torch.randint(150, (*(3,) * stacked, 5, 7))
    monkeypatch.setattr(transformer, "one_hot", None)
    gathered = transformer.look_up(tokens, table)
    monkeypatch.undo()
    monkeypatch.setattr(transformer, "GATHERED_ABOVE", 1000)
    product = transformer.look_up(tokens, table)
    assert torch.equal(gathered, product)
    by = torch.randn_like(product)
    one, other = (torch.autograd.grad(rows, table, by)[0] for rows in (gathered, product))
    assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("members", [0, 3])
@pytest.mark.parametrize("padding", [None, 4])
def test_fused_attention_is_attention(members, padding, monkeypatch):
    """The whole model: causal readers, the router and the prior, with the prompt's padding and the trace's mask."""
    sizes = Sizes(5, 3, 7, 4, padding)
    models, config = [], ModelConfig(**SMALL, depth=2, prior="conditional")  # type: ignore[arg-type]
    for seed in range(max(1, members)):
        model = SharedDiscreteCVAE(sizes, config)
        model.reset(torch.Generator().manual_seed(seed))
        models.append(model)
    parameters = {name: tensor.requires_grad_() for name, tensor in parameters_of(models[0]).items()}
    if members:
        parameters = {
            name: tensor.requires_grad_() for name, tensor in stack([parameters_of(one) for one in models]).items()
        }
    lead = (members,) if members else ()
    prompt = torch.randint(4, (*lead, 6, 3))
    prompt[..., 0, 0] = 4  # padding in front
    mask = torch.ones(*lead, 6, 4)
    mask[..., 1, 2:] = 0
    batch = Batch(prompt, torch.randint(7, (*lead, 6, 4)), mask)
    found = []
    for above in (1000, 0):
        monkeypatch.setattr(transformer, "FUSED_ABOVE", above)
        output = torch.func.functional_call(models[0], parameters, tuple(batch))
        parts = [part for part in output if isinstance(part, torch.Tensor)]
        total = torch.stack([(part * torch.linspace(0, 1, part.shape[-1])).sum() for part in parts]).sum()
        found.append([*parts, *torch.autograd.grad(total, list(parameters.values()))])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=2e-4), (one - other).abs().max()


def test_a_training_ends_alike_either_way(monkeypatch):
    finals = []
    for above in (1000, 0):
        monkeypatch.setattr(transformer, "FUSED_ABOVE", above)
        monkeypatch.setattr(transformer, "GATHERED_ABOVE", above)
        trials = [Trial(seed=seed, train__steps=4) for seed in range(2)]
        train_pack(Waiting(trials))
        finals.append(trials[1].final)
    assert close(*finals)
    assert network().sizes.trace_vocabulary < GATHERED_ABOVE
