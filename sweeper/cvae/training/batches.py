"""The examples of the next steps, drawn ahead in chunks.

A chunk is ``length`` steps; chunk number n holds the steps n length + 1 ... (n + 1) length. Its content depends on the
program, the seed and n alone: a resumed training sees the same examples, and members of one seed share them.
Shapes: C steps of a chunk, B batch, P prompt tokens, T target positions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sweeper.cvae.tasks.forks import forks
from sweeper.cvae.training.program import Program

EXAMPLES = 8192  # drawn at once: many steps for the cost of a few; 80 kB of tokens
LONGEST = 64


class Examples(NamedTuple):
    """The batches of a chunk: prompts [C,B,P] and targets [C,B,T], in the smallest type that holds them."""

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
    sizes = len(program.task.prompt_vocabulary), len(program.task.trace_vocabulary)
    kind = torch.uint8 if max(sizes) <= 256 else torch.int32  # an eighth, or half, of what has to be moved
    tokens = (part.to(kind) for part in (batch.prompt_BP, batch.target_BT))
    return Examples(*(torch.unflatten(part, 0, (steps, -1)) for part in tokens))


@lru_cache(maxsize=16)
def fork_weights(program: Program, seed: int, chunk: int) -> Tensor:
    """1 where the strategies part, else 0, of the chunk's targets [C,B,T], on the CPU."""
    tokens = (part.flatten(0, 1).long() for part in examples(program, seed, chunk))
    return torch.unflatten(forks(program.task, *tokens), 0, (length(program), -1))


def _mixed(seed: int, chunk: int) -> int:
    """A seed of 63 bits: neighbouring ones have nothing in common."""
    digest = hashlib.blake2b(f"data {seed} {chunk}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
