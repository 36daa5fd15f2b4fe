"""What models are tested on: made once for a task, with all that can be said of it without a model.

Shapes: N test prompts, S strategies, B = N S examples (prompt-major), K latents, T target positions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sweeper.cvae.tasks import Batch, Task
from sweeper.cvae.tasks.task import SPLIT_SEED

SAMPLED_PROMPTS = 64  # on which outputs are sampled, for task_accuracy_sampled and the on-policy divergence


@dataclass(frozen=True, slots=True)
class TestSplit:
    """The examples to test on, what can be said of them without a model, and the random numbers for sampled outputs."""

    __test__ = False  # not a class of tests

    task: Task
    rows_N: Tensor
    batch: Batch
    strategy_B: Tensor
    ceiling_BT: Tensor
    uniform_BT: Tensor

    @classmethod
    def of(cls, task: Task, rows_N: Tensor, latents: int, device: torch.device) -> TestSplit:
        """All strategies of every prompt in ``rows_N``, with the batch on ``device``."""
        batch, strategy_B = task.enumerate(rows_N)
        counts_BT = valid_next_tokens(task, rows_N)
        ceiling_BT = counts_BT.clamp_max(latents).log().to(device)
        draws = min(SAMPLED_PROMPTS, len(rows_N)) * latents
        generator = torch.Generator().manual_seed(SPLIT_SEED)
        uniform_BT = torch.rand(draws, task.trace_length, generator=generator).to(device)
        batch = Batch(*(part.to(device) for part in batch))
        return cls(task, rows_N, batch, strategy_B, ceiling_BT, uniform_BT)

    @property
    def first_half_N(self) -> Tensor:
        """Every other prompt: the matching of latents to strategies is fitted here and scored on the rest, and back."""
        return torch.arange(len(self.rows_N)) % 2 == 0


def valid_next_tokens(task: Task, rows_N: Tensor) -> Tensor:
    """How many tokens may come next in each test example, given its prefix, [B,T]."""
    traces_NST = task.traces_NST[rows_N]
    same_NSST = traces_NST[:, :, None] == traces_NST[:, None]
    agrees_NSST = torch.cat([torch.ones_like(same_NSST[..., :1]), same_NSST[..., :-1].cumprod(-1).bool()], dim=-1)
    tokens_NSTV = torch.nn.functional.one_hot(traces_NST, len(task.trace_vocabulary)).float()
    reachable_NSTV = torch.einsum("nzst,nstv->nztv", agrees_NSST.float(), tokens_NSTV) > 0
    counts_BT = reachable_NSTV.sum(-1).flatten(0, 1).float()
    styles = 1 if task.style_probabilities is None else int((task.style_probabilities > 1e-6).sum())
    return torch.cat([torch.full((len(counts_BT), task.style_tokens), float(styles)), counts_BT], dim=1)
