"""How different the latents' outputs are: next tokens under any weighting of the latents, and whole sequences.

Natural logarithms, nats. Shapes: B examples, N prompts, K latents, T target positions, V vocabulary.
Dimensions are counted from the last, so that everything may be stacked [M, ...].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def weighted_jsd(logp_BKTV: Tensor, log_weight_BKT: Tensor) -> Tensor:
    """sum_k w_k KL(p_k || sum_j w_j p_j), [B,T]: I(z; y_t) for z ~ w."""
    log_joint_BKTV = log_weight_BKT[..., None] + logp_BKTV
    log_mean_BTV = torch.logsumexp(log_joint_BKTV, dim=-3)
    return (log_joint_BKTV.exp() * (logp_BKTV - log_mean_BTV.unsqueeze(-3))).sum((-3, -1)).clamp_min(0)


def pairwise_kl(logp_BKTV: Tensor) -> Tensor:
    """The mean of KL(p_k || p_j) over the ordered pairs k != j, [B,T], without forming the pairs."""
    latents = logp_BKTV.shape[-3]
    p_BKTV = logp_BKTV.exp()
    own_BT = (p_BKTV * logp_BKTV).sum((-3, -1)) * latents
    cross_BT = (p_BKTV.sum(-3) * logp_BKTV.sum(-3)).sum(-1)
    return (own_BT - cross_BT) / max(1, latents * (latents - 1))


class DivergenceEstimate(NamedTuple):
    """A mean and its standard error over prompts."""

    mean: float
    standard_error: float


def sequence_kl(nll_NKK: Tensor) -> DivergenceEstimate:
    """The mean full-sequence KL between two latents, from sequences each has written itself.

    ``nll_NKK[n, k, j]`` is -log p(y | x_n, z=j) of a sequence y ~ p(. | x_n, z=k).
    """
    prompts, latents = nll_NKK.shape[:2]
    if latents == 1:
        return DivergenceEstimate(0.0, 0.0)
    own_NK = nll_NKK.diagonal(dim1=1, dim2=2)
    gap_N = (nll_NKK.sum(2) - latents * own_NK).sum(1) / (latents * (latents - 1))
    error = float(gap_N.std()) / math.sqrt(prompts) if prompts > 1 else 0.0
    return DivergenceEstimate(float(gap_N.mean()), error)
