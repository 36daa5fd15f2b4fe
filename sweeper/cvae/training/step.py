"""One optimiser step of all members as one program; trials do not interact.

Shapes: M members, W parameters, B batch, C steps of a chunk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.cvae.objective import LossWeights, Terms, step_loss
from sweeper.cvae.tasks import Batch
from sweeper.cvae.tasks.task import counted
from sweeper.cvae.terms import TERMS
from sweeper.cvae.training.accumulation import accumulated
from sweeper.cvae.training.compiled import Loss
from sweeper.cvae.training.cuda_graph import CudaGraphRunner
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.optim import adamw_, clip_
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
        loss_M, (terms, marginal_MK) = loss(program.model, *given)
        (gradient_MW,) = torch.autograd.grad(loss_M.sum(), flat_MW)
    with torch.no_grad():
        norm_M = clip_(gradient_MW, state.clip_M)
        rate_MW = values["learning_rate"][:, None] * state.scale_MW
        adamw_(state.flat_MW, gradient_MW, state.moments, values["bias_correction"], rate_MW, state.decay_MW)
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
