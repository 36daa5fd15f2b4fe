"""Free-running outputs: each token is the model's own, so that an early mistake is paid for.

Shapes: N prompts, K latents, B = N K rows, P prompt tokens, T trace tokens, V vocabulary. Prompts, and with them the
traces, may be stacked [M, ...] for stacked networks. ``end`` is the token after which nothing of a trace counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.cvae.networks.model import Generator
from sweeper.cvae.tasks.task import without_padding


@torch.no_grad()
def free_run(
    network: Generator,
    prompt_BP: Tensor,
    latent_B: Tensor,
    length: int,
    uniform_BT: Tensor | None = None,
    end: int | None = None,
) -> Tensor:
    """Traces [B,T] under one latent per row: greedy, or sampled with numbers from [0, 1). Each token is read once."""
    logits_BV, state = network.begin(prompt_BP, latent_B)
    tokens: list[Tensor] = []
    ended_B = torch.zeros_like(prompt_BP[..., 0], dtype=torch.bool)
    for t in range(length):
        tokens.append(_choose(logits_BV, None if uniform_BT is None else uniform_BT[..., t]))
        if end is not None:
            ended_B = ended_B | (tokens[-1] == end)
            if ended_B.all():
                tokens += [torch.full_like(tokens[-1], end)] * (length - len(tokens))
                break
        if t + 1 < length:
            logits_BV, state = network.extend(tokens[-1], prompt_BP.shape[-1] + t, latent_B, state)
    return without_padding(torch.stack(tokens, dim=-1), end)


def under_every_latent(
    network: Generator,
    prompt_NP: Tensor,
    latents: int,
    length: int,
    uniform_BT: Tensor | None = None,
    end: int | None = None,
) -> Tensor:
    """The traces [N,K,T] of each prompt under each latent; ``uniform_BT`` has a row a prompt and latent."""
    prompt_BP = prompt_NP.repeat_interleave(latents, dim=-2)
    latent_B = torch.arange(latents, device=prompt_NP.device).repeat(prompt_NP.shape[-2])
    trace_BT = free_run(network, prompt_BP, latent_B, length, uniform_BT, end)
    return torch.unflatten(trace_BT, -2, (-1, latents))


def _choose(logits_BV: Tensor, uniform_B: Tensor | None) -> Tensor:
    """The likeliest token, or the first whose cumulative probability exceeds ``uniform_B``.

    Not torch.multinomial: a member's draws would depend on the other members of its pack.
    """
    if uniform_B is None:
        return logits_BV.argmax(-1)
    share_BV = logits_BV.nan_to_num().softmax(-1).cumsum(-1)  # a model that has diverged must not end in an error
    return (share_BV <= uniform_B[..., None] * share_BV[..., -1:]).sum(-1).clamp_max(logits_BV.shape[-1] - 1)
