"""One optimiser step of all members as one program; members do not meet in it.

On a GPU the step is recorded once as a CUDA graph and replayed: a thousand launches become one; its products are
computed in TF32, with which 64 seeds had the same final metrics.

Shapes: M members, W parameters, B batch, C steps of a stretch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from sweeper.cvae.compiled import Loss
from sweeper.cvae.objective import LossWeights, Terms, step_loss
from sweeper.cvae.optim import adamw_, clip_
from sweeper.cvae.program import Program
from sweeper.cvae.stack import Stack
from sweeper.cvae.tasks import Batch

WARM_UP = 3  # steps before the one that is recorded
WATCHED = (*(name for name in Terms._fields if name != "total"), "total", "gradient_norm")  # in the order of blame


class Stepper:
    """Takes the steps of one stack."""

    def __init__(self, program: Program, stack: Stack, loss: Loss = step_loss) -> None:
        self.program, self.stack, self.loss = program, stack, loss
        self.records = program.device.type == "cuda"
        self.graph: torch.cuda.CUDAGraph | None = None
        self.taken = 0

    def run(self, steps: int) -> None:
        """So many steps, without waiting for the device.

        Raises torch.cuda.OutOfMemoryError; the stack then is as some whole number of steps left it, because what an
        update needs is far less than the gradient before it took and gave back.
        """
        for _ in range(steps):
            if self.graph is not None:
                self.graph.replay()
            elif self.records:
                self._take_beside()
                self.graph = self._recorded() if self.taken == WARM_UP else None
            else:
                advance(self.program, self.stack, self.loss)

    def _take_beside(self) -> None:
        """A step on a stream of its own, as PyTorch asks for before a graph is recorded."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), tf32():
            advance(self.program, self.stack, self.loss)
        torch.cuda.current_stream().wait_stream(stream)
        self.taken += 1

    def _recorded(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph), tf32():
            advance(self.program, self.stack, self.loss)
        return graph


@contextlib.contextmanager
def tf32() -> Iterator[None]:
    """Products of float32 matrices on a GPU in TF32, for a while."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def advance(program: Program, stack: Stack, loss: Loss = step_loss) -> None:
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
        stack.marginal_MK,
        program.per_token,
    )
    (gradient_MW,) = torch.autograd.grad(loss_M.sum(), flat_MW)
    with torch.no_grad():
        norm_M = clip_(gradient_MW, program.layout.baseline_start, stack.clip_M)
        adamw_(stack.flat_MW, gradient_MW, stack.moments, unbias_M, rate_M[:, None] * stack.scale_MW, stack.decay_MW)
        stack.step_M.add_(1)
        stack.marginal_MK.copy_(marginal_MK)
        stack.norm_M.copy_(norm_M)
        _note(stack, terms, norm_M)


def _note(stack: Stack, terms: Terms, norm_M: Tensor) -> None:
    """Writes down who committed to a latent in this step, and whose numbers went out of range."""
    half = math.log(stack.marginal_MK.shape[-1]) / 2
    commits_M = (stack.commit_M < 0) & (terms.posterior_entropy < half)
    stack.commit_M.copy_(torch.where(commits_M, stack.step_M, stack.commit_M))
    values = terms._asdict() | {"gradient_norm": norm_M}
    wrong_MX = ~torch.stack([values[name] for name in WATCHED], dim=-1).isfinite()
    breaks_M = (stack.bad_M < 0) & wrong_MX.any(-1)
    stack.term_M.copy_(torch.where(breaks_M, wrong_MX.int().argmax(-1), stack.term_M))
    stack.bad_M.copy_(torch.where(breaks_M, stack.step_M, stack.bad_M))
