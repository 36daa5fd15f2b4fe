"""The gradient of a batch that is taken through the networks in parts, one after the other.

No term but the reconstruction is a sum over examples: marginals and normalising weights are of the whole batch. All are
functions of a few numbers per example and position, though: NLLs, posterior, prior, divergence. A first pass without
gradient collects these, the loss and its derivative by them are taken at once, and a second pass carries the derivative
back through the networks. The gradient is that of the whole batch, for one more forward pass (as in Gao et al. 2021,
"Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
Shapes: M members, W parameters, B batch, K latents, T target positions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from sweeper.cvae import losses
from sweeper.cvae.losses import TokenScores
from sweeper.cvae.objective import LossWeights, Terms, chosen_jsd, combine, score
from sweeper.cvae.tasks import Batch
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.program import Program


class BatchScores(NamedTuple):
    """What the loss is a function of, without anything of the size of the vocabulary; stacked [M, ...]."""

    nll_BKT: Tensor
    log_q_BK: Tensor
    log_prior_BK: Tensor
    jsd_BT: Tensor


def accumulated(
    program: Program,
    state: BatchedState,
    weights: LossWeights,
    batch: Batch,
    baseline_nll_MBT: Tensor,
    importance_MBT: Tensor,
) -> tuple[Tensor, Terms, Tensor]:
    """The gradient [M,W], the terms and the marginal [M,K] of one step, in ``program.accumulation`` parts."""
    count = program.accumulation
    parts = [Batch(*part) for part in zip(*(whole.chunk(count, 1) for whole in batch), strict=True)]
    given = list(zip(parts, baseline_nll_MBT.chunk(count, 1), importance_MBT.chunk(count, 1), strict=True))
    flat_MW = state.flat_MW.detach().requires_grad_()
    with torch.no_grad():
        scored = [_score(program, flat_MW, *part) for part in given]
    whole = BatchScores(*(torch.cat(tensors, 1).requires_grad_() for tensors in zip(*scored, strict=True)))
    no_logp = whole.nll_BKT[..., None][..., :0]
    scores = TokenScores(no_logp, *whole[:3], baseline_nll_MBT, whole.jsd_BT, importance_MBT)
    marginal_MK = losses.blended_marginal(whole.log_q_BK, state.marginal_MK, weights.marginal_ema)
    terms = combine(scores, batch.mask_BT, weights, marginal_MK, program.form._replace(jsd_mixture="uniform"))
    slopes = torch.autograd.grad(terms["total"].sum(), whole, materialize_grads=True)
    gradient_MW = torch.zeros_like(state.flat_MW)
    for part, *slope in zip(given, *(each.chunk(count, 1) for each in slopes), strict=True):
        gradient_MW += _gradient(program, flat_MW, part, slope)
    return gradient_MW, {name: term.detach() for name, term in terms.items()}, marginal_MK.detach()


def _gradient(program: Program, flat_MW: Tensor, part: tuple[Batch, Tensor, Tensor], slope: list[Tensor]) -> Tensor:
    """What a part adds to the gradient [M,W]; its graph ends with this call, before the next part's begins."""
    found = _score(program, flat_MW, *part)
    outputs, derivatives = zip(*(pair for pair in zip(found, slope, strict=True) if pair[0].requires_grad), strict=True)
    return torch.autograd.grad(outputs, flat_MW, derivatives)[0]


def _score(program: Program, flat_MW: Tensor, batch: Batch, nll_MBT: Tensor, importance_MBT: Tensor) -> BatchScores:
    output = functional_call(program.model, program.layout.unflatten(flat_MW), (*batch, False))
    scores = score(output, batch, nll_MBT, importance_MBT)
    return BatchScores(scores.nll_BKT, scores.log_q_BK, scores.log_prior_BK, chosen_jsd(scores, program.form))
