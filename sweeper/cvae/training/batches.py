"""What a member is given for its next steps, made ahead: its examples, and the numbers that steer each step.

A chunk is ``length`` steps; chunk number n holds the steps n length + 1 ... (n + 1) length. What it holds depends
on the settings, the seed and n alone, so that a training resumed anywhere sees the same, and members of one seed share.
Shapes: C steps of a chunk, B batch, P prompt tokens, T target positions, X controls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sweeper.cvae.config import CVAEConfig, TrainConfig
from sweeper.cvae.objective import LossWeights
from sweeper.cvae.training.optim import learning_rate, unbiasing
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.schedules import weights_over

CONTROLS = (*LossWeights._fields, "rate", "unbias")
EXAMPLES = 8192  # drawn at once: many steps for the price of a few; 80 kB of tokens
LONGEST = 64


class Examples(NamedTuple):
    """The batches of a chunk: prompts [C,B,P] and targets [C,B,T], bytes."""

    prompt_CBP: Tensor
    target_CBT: Tensor


def length(program: Program) -> int:
    """C: how many steps a chunk has, by the size of a batch."""
    return max(1, min(LONGEST, EXAMPLES // program.batch_size))


@lru_cache(maxsize=16)
def examples(program: Program, seed: int, chunk: int) -> Examples:
    """The batches of a chunk, on the CPU."""
    steps = length(program)
    generator = torch.Generator().manual_seed(_mixed(seed, chunk))
    batch = program.task.sample(program.train_rows_R, steps * program.batch_size, generator)
    tokens = (part.to(torch.uint8) for part in (batch.prompt_BP, batch.target_BT))  # an eighth of what has to be moved
    return Examples(*(torch.unflatten(part, 0, (steps, -1)) for part in tokens))


def _mixed(seed: int, chunk: int) -> int:
    """A seed of 63 bits: neighbouring ones have nothing in common."""
    digest = hashlib.blake2b(f"data {seed} {chunk}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def controls(program: Program, config: CVAEConfig, chunk: int) -> Tensor:
    """The loss weights, the learning rate and AdamW's correction at each step of a chunk, [C,X] on the CPU."""
    first = chunk * length(program)
    return torch.tensor(columns(config, range(first, first + length(program)))).t()


def columns(config: CVAEConfig, steps: Sequence[int]) -> list[list[float]]:
    """The numbers named in CONTROLS, a list each, for the steps that follow after ``steps``."""
    loss, train = config.loss, config.train
    progress = [step / train.steps for step in steps]
    warmth = [min(1.0, share / train.baseline_warmup) if train.baseline_warmup else 1.0 for share in progress]
    found = weights_over(loss, progress) | {
        "marginal_ema": [loss.marginal_ema] * len(steps),
        "token_warmth": warmth,
        "support_floor": [loss.support_floor] * len(steps),
        "rate": [rate(train, step + 1) for step in steps],
        "unbias": [unbiasing(step + 1) for step in steps],
    }
    return [found[name] for name in CONTROLS]


def rate(train: TrainConfig, step: int) -> float:
    """The learning rate of step number ``step``."""
    return learning_rate(step, train.steps, train.learning_rate, train.warmup, train.final_lr)
