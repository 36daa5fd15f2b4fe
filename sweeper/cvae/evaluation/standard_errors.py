"""How far metrics may lie from those of all prompts, where the evaluated ones are a sample.

The prompts are the units: outputs of one prompt are not independent. Shapes: M members, N prompts, B examples (those of
one prompt together), K latents, S strategies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.cvae import losses
from sweeper.cvae.evaluation import alignment
from sweeper.cvae.evaluation.matching import best_matching
from sweeper.cvae.evaluation.split import EvaluationSplit
from sweeper.cvae.losses import TokenScores


def standard_errors(
    split: EvaluationSplit, accuracy_MN: Tensor, scores: TokenScores, posterior_MBK: Tensor
) -> dict[str, Tensor]:
    """Standard errors of task_accuracy, nll and, where strategies are known, alignment; [M] each."""
    nll_MB = -torch.logsumexp(scores.log_prior_BK - losses.sequence_nll(scores.nll_BKT, split.batch.mask_BT), dim=-1)
    found = {"task_accuracy": _of_mean(accuracy_MN), "nll": clustered(nll_MB.cpu(), split.prompt_B, len(split.rows_N))}
    known_B = split.strategy_B >= 0
    if known_B.any():
        matched_MB = torch.stack([_matched(split, posterior_BK)[known_B] for posterior_BK in posterior_MBK])
        found["alignment"] = clustered(matched_MB, split.prompt_B[known_B], len(split.rows_N))
    return {f"diagnostics/standard_error/{name}": error_M for name, error_M in found.items()}


def _matched(split: EvaluationSplit, posterior_BK: Tensor) -> Tensor:
    """The posterior of the latent that is matched to the strategy of each example, [B]."""
    table_KS = alignment.contingency(posterior_BK, split.strategy_B, len(split.task.strategies))
    match_K = torch.tensor(best_matching(table_KS.tolist()))
    return torch.where(split.strategy_B[:, None] == match_K, posterior_BK, 0.0).sum(-1)


def _of_mean(values_MN: Tensor) -> Tensor:
    count = values_MN.shape[-1]
    return values_MN.double().std(-1) / math.sqrt(count) if count > 1 else torch.zeros(len(values_MN))


def clustered(values_MB: Tensor, prompt_B: Tensor, prompts: int) -> Tensor:
    """The standard error of the mean over examples whose prompts are drawn: a ratio of two sums over prompts, [M]."""
    values_MB = values_MB.double()
    excess_MB = values_MB - values_MB.mean(-1, keepdim=True)
    excess_MN = torch.zeros(len(values_MB), prompts, dtype=torch.float64).index_add_(1, prompt_B, excess_MB)
    used = len(set(prompt_B.tolist()))
    scale = math.sqrt(used / (used - 1)) if used > 1 else 0.0
    return excess_MN.square().sum(-1).sqrt() * scale / values_MB.shape[-1]
