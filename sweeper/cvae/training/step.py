"""One optimiser step of all members as one program; trials do not interact.

The gradient of a batch that is taken through the networks in parts: no term but the reconstruction is a sum over
examples, as marginals and normalising weights are of the whole batch. All are functions of a few numbers per example
and position, though: NLLs, posterior, prior, divergence. A first pass without gradient collects these, the loss and its
derivative by them are taken at once, and a second pass carries the derivative back through the networks. The gradient
is that of the whole batch, for one more forward pass (as in Gao et al. 2021, "Scaling Deep Contrastive Learning Batch
Size under Memory Limited Setup").

Shapes: M members, W parameters, B batch, K latents, T target positions, C steps of a chunk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from sweeper.cvae import losses
from sweeper.cvae.losses import TokenScores
from sweeper.cvae.objective import LossWeights, Terms, chosen_jsd, combine, score, step_loss
from sweeper.cvae.tasks import Batch
from sweeper.cvae.tasks.task import counted
from sweeper.cvae.terms import TERMS
from sweeper.cvae.training.compiled import Loss
from sweeper.cvae.training.cuda_graph import CudaGraphRunner
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.optimizers.adamw import clip_
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.schedules import HYPERPARAMETERS

WATCHED = (
    *(term.name for term in TERMS),
    "baseline",
    "total",
    "gradient_norm",
)  # of several that break in a step, the first is named


class Stepper(CudaGraphRunner):
    """Takes the steps of one pack's state.

    When memory runs out, the state is that after some whole number of steps: an update needs far less memory than the
    gradient before it took and freed.
    """

    def __init__(self, program: Program, state: BatchedState, loss: Loss = step_loss) -> None:
        super().__init__(program.device, lambda: advance(program, state, loss))
        self.program, self.state = program, state


def advance(program: Program, state: BatchedState, loss: Loss = step_loss) -> None:
    """One step, in place on ``state``, without waiting for the device."""
    row_M = torch.arange(len(state), device=program.device)
    at_M = state.step_M % state.hyperparameters_MCX.shape[1]
    prompt_MBP, target_MBT = state.prompt_MCBP[row_M, at_M].long(), state.target_MCBT[row_M, at_M].long()
    batch = Batch(prompt_MBP, target_MBT, counted(target_MBT, program.task.end, state.flat_MW.dtype))
    values = dict(zip(HYPERPARAMETERS, state.hyperparameters_MCX[row_M, at_M].unbind(-1), strict=True))
    weights, known = LossWeights.of(values), (state.baseline_nll_MCBT[row_M, at_M], state.importance_MCBT[row_M, at_M])
    if program.accumulation > 1:
        gradient_MW, terms, marginal_MK = accumulated(program, state, weights, batch, *known)
    else:
        flat_MW = state.flat_MW.detach().requires_grad_()
        parameters = program.layout.unflatten(flat_MW)
        given = parameters, weights, batch, known[0], state.marginal_MK, program.form, known[1]
        with program.autocast():
            loss_M, (terms, marginal_MK) = loss(program.model, *given)
        (gradient_MW,) = torch.autograd.grad(loss_M.sum(), flat_MW)
    with torch.no_grad():
        norm_M = clip_(gradient_MW, state.clip_M)
        rate_MW = values["learning_rate"][:, None] * state.scale_MW
        correction_M = values["bias_correction"]
        program.update_(
            program.layout, state.flat_MW, gradient_MW, state.moments, correction_M, rate_MW, state.decay_MW
        )
        state.step_M.add_(1)
        state.marginal_MK.copy_(marginal_MK)
        state.norm_M.copy_(norm_M)
        _record(state, terms, norm_M)


def _record(state: BatchedState, terms: Terms, norm_M: Tensor) -> None:
    """Records which members committed to a latent in this step, and whose numbers went out of range."""
    half = math.log(state.marginal_MK.shape[-1]) / 2
    commits_M = (state.commit_M < 0) & (terms["posterior_entropy"] < half)
    state.commit_M.copy_(torch.where(commits_M, state.step_M, state.commit_M))
    values = {**terms, "gradient_norm": norm_M}
    wrong_MX = ~torch.stack([values[name] for name in WATCHED], dim=-1).isfinite()
    breaks_M = (state.bad_M < 0) & wrong_MX.any(-1)
    state.term_M.copy_(torch.where(breaks_M, wrong_MX.int().argmax(-1), state.term_M))
    state.bad_M.copy_(torch.where(breaks_M, state.step_M, state.bad_M))


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
    with program.autocast():
        output = functional_call(program.model, program.layout.unflatten(flat_MW), (*batch, False))
        scores = score(output, batch, nll_MBT, importance_MBT)
    return BatchScores(scores.nll_BKT, scores.log_q_BK, scores.log_prior_BK, chosen_jsd(scores, program.form))
