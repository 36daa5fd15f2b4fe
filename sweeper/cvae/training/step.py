"""One optimiser step of all members as one program; trials do not interact.

Shapes: M members, W parameters, B batch, C steps of a chunk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.cvae.objective import LossWeights, Terms, step_loss
from sweeper.cvae.tasks import Batch
from sweeper.cvae.training.compiled import Loss
from sweeper.cvae.training.cuda_graph import CudaGraphRunner
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.optim import adamw_, clip_
from sweeper.cvae.training.program import Program

WATCHED = (*(name for name in Terms._fields if name != "total"), "total", "gradient_norm")  # in the order of blame


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
    at_M = stack.step_M % stack.controls_MCX.shape[1]
    prompt_MBP, target_MBT = stack.prompt_MCBP[row_M, at_M].long(), stack.target_MCBT[row_M, at_M].long()
    batch = Batch(prompt_MBP, target_MBT, torch.ones_like(target_MBT, dtype=stack.flat_MW.dtype))
    *weights, rate_M, unbias_M = stack.controls_MCX[row_M, at_M].unbind(-1)
    flat_MW = stack.flat_MW.detach().requires_grad_()
    loss_M, (terms, marginal_MK) = loss(
        program.model,
        program.layout.unflatten(flat_MW),
        LossWeights(*weights),
        batch,
        stack.baseline_nll_MCBT[row_M, at_M],
        stack.marginal_MK,
        program.per_token,
    )
    (gradient_MW,) = torch.autograd.grad(loss_M.sum(), flat_MW)
    with torch.no_grad():
        norm_M = clip_(gradient_MW, stack.clip_M)
        adamw_(stack.flat_MW, gradient_MW, stack.moments, unbias_M, rate_M[:, None] * stack.scale_MW, stack.decay_MW)
        stack.step_M.add_(1)
        stack.marginal_MK.copy_(marginal_MK)
        stack.norm_M.copy_(norm_M)
        _note(stack, terms, norm_M)


def _note(stack: BatchedState, terms: Terms, norm_M: Tensor) -> None:
    """Writes down who committed to a latent in this step, and whose numbers went out of range."""
    half = math.log(stack.marginal_MK.shape[-1]) / 2
    commits_M = (stack.commit_M < 0) & (terms.posterior_entropy < half)
    stack.commit_M.copy_(torch.where(commits_M, stack.step_M, stack.commit_M))
    values = terms._asdict() | {"gradient_norm": norm_M}
    wrong_MX = ~torch.stack([values[name] for name in WATCHED], dim=-1).isfinite()
    breaks_M = (stack.bad_M < 0) & wrong_MX.any(-1)
    stack.term_M.copy_(torch.where(breaks_M, wrong_MX.int().argmax(-1), stack.term_M))
    stack.bad_M.copy_(torch.where(breaks_M, stack.step_M, stack.bad_M))
