"""Small networks, batches and weights for the tests."""

import torch

from sweeper.cvae.config import ModelConfig
from sweeper.cvae.networks.model import SharedDiscreteCVAE, Sizes
from sweeper.cvae.objective import LossWeights, baseline_nll
from sweeper.cvae.tasks import Batch
from sweeper.cvae.terms import TERM_OF_WEIGHT

SIZES = Sizes(prompt_vocabulary=5, prompt_length=3, trace_vocabulary=7, trace_length=4)
SMALL = {"latents": 3, "width": 16, "heads": 2, "hidden": 12, "router_width": 8, "baseline_width": 8}


def network(seed=0, dtype=torch.float32, **changes):
    model = SharedDiscreteCVAE(SIZES, ModelConfig(**(SMALL | changes)))
    model.reset(torch.Generator().manual_seed(seed))
    return model.to(dtype)


def stack(items):
    """Several tensors, or named tuples or mappings of them, as one, stacked."""
    if items[0] is None or isinstance(items[0], bool):
        return items[0]
    if isinstance(items[0], torch.Tensor):
        return torch.stack(list(items))
    if isinstance(items[0], dict):
        return {name: stack([item[name] for item in items]) for name in items[0]}
    return type(items[0])(*(stack(parts) for parts in zip(*items, strict=True)))


def parameters_of(model):
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def own_parameters_of(model):
    """All but the baseline's."""
    return {name: value for name, value in parameters_of(model).items() if not name.startswith("baseline.")}


@torch.no_grad()
def baseline_nll_of(model, batch):
    """The baseline's -log p0 of each token."""
    return baseline_nll(model.baseline(batch.prompt_BP, batch.target_BT[..., :-1]), batch.target_BT)


def batch_of(seed=0, size=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    prompt_BP = torch.randint(SIZES.prompt_vocabulary, (size, SIZES.prompt_length), generator=generator)
    target_BT = torch.randint(SIZES.trace_vocabulary, (size, SIZES.trace_length), generator=generator)
    mask_BT = torch.ones(size, SIZES.trace_length, dtype=dtype)
    mask_BT[0, -1:] = 0
    return Batch(prompt_BP, target_BT, mask_BT)


def weights_of(dtype=torch.float32, **changes):
    values = dict.fromkeys(TERM_OF_WEIGHT, 0.0) | {"beta": 1.0, "marginal_ema": 0.0}
    values |= {"token_weight_warmup": 1.0, "support_floor": 0.5} | changes
    return LossWeights.of({name: torch.tensor(value, dtype=dtype) for name, value in values.items()})
