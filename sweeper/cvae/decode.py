"""Free-running outputs: each token is the model's own, so that an early mistake is paid for.

Shapes: N prompts, K latents, B = N K rows, P prompt tokens, T trace tokens, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.cvae.model import Generator


@torch.no_grad()
def free_run(
    network: Generator, prompt_BP: Tensor, latent_B: Tensor, length: int, generator: torch.Generator | None = None
) -> Tensor:
    """Traces [B,T] under one latent a row: greedy, or sampled from ``generator``. Each token is read once."""
    logits_BV, state = network.begin(prompt_BP, latent_B)
    tokens = [_choose(logits_BV, generator)]
    for t in range(1, length):
        logits_BV, state = network.extend(tokens[-1], prompt_BP.shape[1] + t - 1, latent_B, state)
        tokens.append(_choose(logits_BV, generator))
    return torch.stack(tokens, dim=1)


def under_every_latent(
    network: Generator, prompt_NP: Tensor, latents: int, length: int, generator: torch.Generator | None = None
) -> Tensor:
    """The traces [N,K,T] of each prompt under each latent."""
    prompt_BP = prompt_NP.repeat_interleave(latents, dim=0)
    latent_B = torch.arange(latents, device=prompt_NP.device).repeat(len(prompt_NP))
    trace_BT = free_run(network, prompt_BP, latent_B, length, generator)
    return torch.unflatten(trace_BT, 0, (len(prompt_NP), latents))


def _choose(logits_BV: Tensor, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        return logits_BV.argmax(-1)
    p_BV = logits_BV.nan_to_num().softmax(-1)  # a model that has diverged must not end in an error of the sampler
    return torch.multinomial(p_BV, 1, generator=generator)[:, 0]
