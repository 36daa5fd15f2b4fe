"""CPU milliseconds per step and member of packs made by `sweeper.fuse`, and of a plain loop of PyTorch for one model.

    OMP_NUM_THREADS=1 python tests/benchmarks/fused_packs.py [--rounds 5]

Everything of a step counts: drawing the batch, forward, backward, AdamW. The plain loop and every size take turns, each
value is the least of all rounds, of one thread's time. `auto` is the size that `resources.pack: auto` chooses. Prints
a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sweeper.fused.member_rows import FusedTrial
from sweeper.fused.pack import FusedPack
from sweeper.fused.recipe import Recipe, make_recipe

SIZES = (1, 4, 16, 64)
STEPS = 8
DEFAULTS = {"lr": 1e-3, "steps": 10**9, "report_every": 10**9}
Params = Mapping[str, Any]


class CNN(nn.Module):
    """Two convolutions and a linear layer, on images of 28 by 28."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x: Tensor) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.head(F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1))


class Block(nn.Module):
    """A transformer block of width 32 between an embedding and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.head = nn.Embedding(32, 32), nn.Linear(32, 10)
        self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)

    def forward(self, ids: Tensor) -> Any:
        return self.head(self.block(self.tokens(ids)).mean(1))


class Recurrent(nn.Module):
    """A GRU of width 32 between an embedding and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.rnn, self.head = nn.Embedding(32, 16), nn.GRU(16, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, ids: Tensor) -> Any:
        return self.head(self.rnn(self.tokens(ids))[0][:, -1])


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def dropout_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def vectors(params: Params, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(32, 20, generator=generator), torch.randint(10, (32,), generator=generator)


def images(params: Params, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(32, 1, 28, 28, generator=generator), torch.randint(10, (32,), generator=generator)


def tokens(params: Params, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randint(32, (16, 12), generator=generator), torch.randint(10, (16,), generator=generator)


def loss(model: nn.Module, batch: tuple[Tensor, Tensor], params: Params) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


MODELS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "MLP 20-64-64-10, batch 32": (mlp, vectors),
    "the same with dropout": (dropout_mlp, vectors),
    "CNN 8-16 on 28 x 28, batch 32": (CNN, images),
    "transformer block of width 32, 12 tokens, batch 16": (Block, tokens),
    "GRU of width 32, 12 tokens, batch 16": (Recurrent, tokens),
}


class Endless:
    """A member that never reports; it stands for a trial."""

    directory, checkpoint = None, None

    def __init__(self, seed: int) -> None:
        self.params = {**DEFAULTS, "seed": seed}

    def progress(self, step: int) -> None: ...

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        return True

    def finish(self, metrics: Mapping[str, float]) -> None: ...

    def fail(self, error: Exception) -> None:
        raise error


class Members:
    """A source of so many members."""

    def __init__(self, size: int) -> None:
        self.size = size

    def join(self, free: int) -> list[Endless]:
        return [Endless(seed) for seed in range(free)]


def plain_loop(make: Callable[[], nn.Module], batch: Any) -> Callable[[], object]:
    """A step as people write it."""
    model, generator = make(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss(model, batch(DEFAULTS, 0, generator), DEFAULTS).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def pack(recipe: Recipe, size: int) -> Callable[[], object]:
    """A step of a pack."""
    made = FusedPack(recipe, Members(size))
    made.pull()
    return made.step


def least_ms(step: Callable[[], object], size: int) -> float:
    """CPU milliseconds of a step per member."""
    start = time.thread_time()
    for _ in range(STEPS):
        step()
    return 1e3 * (time.thread_time() - start) / STEPS / size


def measure(make: Callable[[], nn.Module], batch: Any, rounds: int) -> tuple[dict[int, float], int]:
    """The least times, 0 for the plain loop, and the size that `auto` chooses."""
    arguments: dict[str, Any] = {"steps": "steps", "report_every": "report_every", "evaluate": None, "schedule": None}
    arguments |= {"clip_norm": None, "device": "cpu", "parameters": DEFAULTS, "fixed": ()}
    recipe = make_recipe("adamw", model=lambda params: make(), loss=loss, batch=batch, **arguments)
    steps = {0: plain_loop(make, batch), **{size: pack(recipe, size) for size in SIZES}}
    for step in steps.values():
        step()
    found: dict[int, list[float]] = {size: [] for size in steps}
    for _ in range(rounds):
        for size, step in steps.items():
            found[size].append(least_ms(step, size or 1))
    one = FusedPack(recipe, Members(1))
    one.pull()
    auto = one.program.best_size(FusedTrial.of(recipe, Endless(0)))
    return {size: min(times) for size, times in found.items()}, auto


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("| model | plain loop |", " | ".join(f"pack of {size}" for size in SIZES), "| auto |")
    print("|---|" + "---:|" * (len(SIZES) + 2))
    for name, (make, batch) in MODELS.items():
        least, auto = measure(make, batch, rounds)
        cells = [f"{least[size]:.2f} ({least[0] / least[size]:.1f}x)" for size in SIZES]
        print(f"| {name} | {least[0]:.2f} |", " | ".join(cells), f"| {auto} |", flush=True)


if __name__ == "__main__":
    main()
