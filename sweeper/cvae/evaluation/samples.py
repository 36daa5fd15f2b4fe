"""What a trained model generates under each latent, as text: for a person to read.

Shapes: N prompts, K latents, T trace tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sweeper.cvae.networks.generation import under_every_latent
from sweeper.cvae.networks.model import SharedDiscreteCVAE
from sweeper.cvae.tasks import Task


@dataclass(frozen=True, slots=True)
class Generation:
    """One output: its prompt and trace as text, the strategy it follows (None if none), and whether it is right."""

    prompt: str
    latent: int
    trace: str
    strategy: str | None
    steps_valid: bool
    answer_right: bool


@torch.no_grad()
def generate(
    model: SharedDiscreteCVAE,
    task: Task,
    rows: Sequence[int],
    latents: Sequence[int] | None = None,
    generator: torch.Generator | None = None,
) -> list[Generation]:
    """The outputs for the prompts of ``rows`` under each latent (default: all): greedy, or sampled by ``generator``."""
    rows_N, count = torch.tensor(list(rows)), model.generator.latent.shape[1]
    device = model.generator.latent.device
    uniform_BT = None
    if generator is not None:
        uniform_BT = torch.rand(len(rows_N) * count, task.trace_length, generator=generator).to(device)
    trace_NKT = under_every_latent(
        model.generator, task.prompts(rows_N).to(device), count, task.trace_length, uniform_BT, task.end
    ).cpu()
    generations = []
    for row, prompt_P, trace_KT in zip(rows_N, task.prompts(rows_N), trace_NKT, strict=True):
        rows_K = row.expand(count)
        verdict, named_K = task.check(rows_K, trace_KT), task.name_strategy(rows_K, trace_KT)
        prompt = " ".join(task.prompt_vocabulary[token] for token in prompt_P.tolist() if token != task.prompt_padding)
        for k in range(count) if latents is None else latents:
            name = task.strategies[named_K[k]] if named_K[k] >= 0 else None
            judged = bool(verdict.steps_B[k]), bool(verdict.answer_B[k])
            generations.append(Generation(prompt, k, task.text(trace_KT[k]), name, *judged))
    return generations
