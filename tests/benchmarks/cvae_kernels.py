"""How much faster large sizes are as they are computed now: gathered rows and fused attention, as ratios.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.cvae_kernels [--device cuda]

Forward and backward, the best of five, time of this process (of a GPU, wall time) over that of one-hot products and of
attention that holds its scores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import embedding

from sweeper.cvae.networks.transformer import FORBIDDEN, attention, fused_attention, linear, one_hot

VOCABULARIES, TOKENS, WIDTH = (16, 32, 64, 128, 256, 512, 2048, 8192), 2048, 64
POSITIONS, HEADS, HEAD_WIDTH = {9: 128, 32: 128, 64: 32, 125: 32, 192: 16, 256: 8, 512: 4}, 4, 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    device = torch.device(parser.parse_args().device)
    torch.set_num_threads(1)
    print("| vocabulary | one-hot product / gather |\n| ---: | ---: |")
    for vocabulary in VOCABULARIES:
        print(f"| {vocabulary} | {gathering(vocabulary, device):.1f} |", flush=True)
    print("\n| positions | batch | attention / fused | with a mask per example |\n| ---: | ---: | ---: | ---: |")
    for positions, batch in POSITIONS.items():
        ratios = (f"{fusing(positions, batch, device, each):.2f}" for each in (False, True))
        print(f"| {positions} | {batch} | {' | '.join(ratios)} |", flush=True)


def gathering(vocabulary: int, device: torch.device) -> float:
    """Time of the product of one-hot vectors over that of gathering rows."""
    table = torch.randn(vocabulary, WIDTH, device=device, requires_grad=True)
    tokens = torch.randint(vocabulary, (1, TOKENS), device=device)
    by = torch.randn(1, TOKENS, WIDTH, device=device)

    def product() -> Tensor:
        return linear(one_hot(tokens, vocabulary, table.dtype), table.mT)

    def gather() -> Tensor:
        return embedding(tokens, table)

    return seconds(product, (table,), by) / seconds(gather, (table,), by)


def fusing(positions: int, batch: int, device: torch.device, own_mask: bool) -> float:
    """Time of attention over that of the fused kernel, with one causal mask or with one per example."""
    shape = 3, batch, HEADS, positions, HEAD_WIDTH
    query, key, value = (part.requires_grad_() for part in torch.randn(shape, device=device).unbind(0))
    place = torch.arange(positions, device=device)
    bias = torch.where(place[:, None] <= place, 0.0, FORBIDDEN)
    bias = bias.expand(batch, 1, -1, -1).contiguous() if own_mask else bias
    by, parts = torch.randn_like(query), (query, key, value)

    def before() -> Tensor:
        return attention(query, key, value, bias)

    def after() -> Tensor:
        return fused_attention(query, key, value, bias)

    return seconds(before, parts, by) / seconds(after, parts, by)


def seconds(forward: Callable[[], Tensor], of: Sequence[Tensor], by: Tensor) -> float:
    """The shortest of five passes forward and backward, after a first one."""
    taken, is_gpu = [], by.device.type == "cuda"
    for _ in range(6):
        clock = time.perf_counter if is_gpu else time.process_time
        began = clock()
        torch.autograd.grad(forward(), of, by)
        if is_gpu:
            torch.cuda.synchronize()
        taken.append(clock() - began)
    return min(taken[1:])


if __name__ == "__main__":
    main()
