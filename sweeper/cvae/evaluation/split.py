"""What models are evaluated on: made once for a task, with everything that does not depend on a model.

Shapes: N prompts, B examples, those of one prompt together, E most examples of a prompt, K latents, T target positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sweeper.cvae.tasks import Batch, Task
from sweeper.cvae.tasks.task import SPLIT_SEED

SAMPLED_PROMPTS = 64  # on which outputs are sampled, for task_accuracy_sampled and the on-policy divergence


@dataclass(frozen=True, slots=True)
class EvaluationSplit:
    """The examples to evaluate on, and the random numbers for sampled outputs.

    ``examples_NE`` are the places in B of each prompt's examples, where ``present_NE``. ``ceiling_BT`` is None where it
    is not known what may come next.
    """

    task: Task
    rows_N: Tensor
    batch: Batch
    strategy_B: Tensor
    prompt_B: Tensor
    examples_NE: Tensor
    present_NE: Tensor
    ceiling_BT: Tensor | None
    uniform_BT: Tensor

    @classmethod
    def of(cls, task: Task, rows_N: Tensor, latents: int, device: torch.device) -> EvaluationSplit:
        """The examples of every prompt in ``rows_N``, with the batch on ``device``."""
        examples, counts_BT = task.examples(rows_N), task.next_tokens(rows_N)
        counts_N = torch.bincount(examples.prompt_B, minlength=len(rows_N))
        place_E = torch.arange(int(counts_N.max()))
        present_NE = place_E < counts_N[:, None]
        first_N = counts_N.cumsum(0) - counts_N
        draws = min(SAMPLED_PROMPTS, len(rows_N)) * latents
        generator = torch.Generator().manual_seed(SPLIT_SEED)
        return cls(
            task,
            rows_N,
            Batch(*(part.to(device) for part in examples.batch)),
            examples.strategy_B,
            examples.prompt_B,
            torch.where(present_NE, first_N[:, None] + place_E, first_N[:, None]).to(device),
            present_NE.to(device),
            None if counts_BT is None else counts_BT.clamp_max(latents).log().to(device),
            torch.rand(draws, task.trace_length, generator=generator).to(device),
        )

    @property
    def first_N(self) -> Tensor:
        """The first example of each prompt."""
        return self.examples_NE[:, 0]

    @property
    def share_N(self) -> Tensor:
        """How many examples each prompt has, over their mean."""
        counts_N = self.present_NE.sum(1)
        return counts_N / counts_N.float().mean()

    @property
    def known_NS(self) -> Tensor:
        """Which strategies the examples of each prompt follow."""
        known_NS = torch.zeros(len(self.rows_N), len(self.task.strategies), dtype=torch.bool)
        labelled_B = self.strategy_B >= 0
        known_NS[self.prompt_B[labelled_B], self.strategy_B[labelled_B]] = True
        return known_NS

    @property
    def first_half_N(self) -> Tensor:
        """Every other prompt: the matching of latents to strategies is fitted here and scored on the rest, and back."""
        return torch.arange(len(self.rows_N)) % 2 == 0

    def mean_by_prompt(self, values_MBK: Tensor) -> Tensor:
        """The mean over each prompt's examples, [M,N,K]."""
        found_MNEK = torch.where(self.present_NE[..., None], values_MBK[:, self.examples_NE], 0.0)
        return found_MNEK.sum(2) / self.present_NE.sum(1, keepdim=True)
