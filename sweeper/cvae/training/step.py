"""One optimiser step of all members as one program; trials do not interact.

Shapes: M members, W parameters, B batch, C steps of a chunk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.cvae.objective import LossWeights, Terms, step_loss
from sweeper.cvae.tasks import Batch
from sweeper.cvae.terms import TERMS
from sweeper.cvae.training.compiled import Loss
from sweeper.cvae.training.cuda_graph import CudaGraphRunner
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.optim import adamw_, clip_
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.schedules import HYPERPARAMETERS

WATCHED = (*(term.name for term in TERMS), "baseline", "total", "gradient_norm")  # the first to break is named


class Stepper(CudaGraphRunner):
    """Takes the steps of one stack.

    Where memory does not suffice, the stack is as some whole number of steps left it, because what an update needs is
    far less than the gradient before it took and gave back.
    """

    def __init__(self, program: Program, stack: BatchedState, loss: Loss = step_loss) -> None:
        super().__init__(program.device, lambda: advance(program, stack, loss))
        self.program, self.stack = program, stack


def advance(program: Program, stack: BatchedState, loss: Loss = step_loss) -> None:
    """One step, in place on ``stack``, without waiting for the device."""
    row_M = torch.arange(len(stack), device=program.device)
    at_M = stack.step_M % stack.hyperparameters_MCX.shape[1]
    prompt_MBP, target_MBT = stack.prompt_MCBP[row_M, at_M].long(), stack.target_MCBT[row_M, at_M].long()
    batch = Batch(prompt_MBP, target_MBT, torch.ones_like(target_MBT, dtype=stack.flat_MW.dtype))
    values = dict(zip(HYPERPARAMETERS, stack.hyperparameters_MCX[row_M, at_M].unbind(-1), strict=True))
    flat_MW = stack.flat_MW.detach().requires_grad_()
    loss_M, (terms, marginal_MK) = loss(
        program.model,
        program.layout.unflatten(flat_MW),
        LossWeights.of(values),
        batch,
        stack.baseline_nll_MCBT[row_M, at_M],
        stack.marginal_MK,
        program.per_token,
    )
    (gradient_MW,) = torch.autograd.grad(loss_M.sum(), flat_MW)
    with torch.no_grad():
        norm_M = clip_(gradient_MW, stack.clip_M)
        rate_MW = values["learning_rate"][:, None] * stack.scale_MW
        adamw_(stack.flat_MW, gradient_MW, stack.moments, values["bias_correction"], rate_MW, stack.decay_MW)
        stack.step_M.add_(1)
        stack.marginal_MK.copy_(marginal_MK)
        stack.norm_M.copy_(norm_M)
        _note(stack, terms, norm_M)


def _note(stack: BatchedState, terms: Terms, norm_M: Tensor) -> None:
    """Writes down who committed to a latent in this step, and whose numbers went out of range."""
    half = math.log(stack.marginal_MK.shape[-1]) / 2
    commits_M = (stack.commit_M < 0) & (terms["posterior_entropy"] < half)
    stack.commit_M.copy_(torch.where(commits_M, stack.step_M, stack.commit_M))
    values = {**terms, "gradient_norm": norm_M}
    wrong_MX = ~torch.stack([values[name] for name in WATCHED], dim=-1).isfinite()
    breaks_M = (stack.bad_M < 0) & wrong_MX.any(-1)
    stack.term_M.copy_(torch.where(breaks_M, wrong_MX.int().argmax(-1), stack.term_M))
    stack.bad_M.copy_(torch.where(breaks_M, stack.step_M, stack.bad_M))
