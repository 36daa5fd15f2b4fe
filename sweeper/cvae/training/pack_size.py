"""How many members of a pack pay: measured for a device and a shape, and remembered."""

from __future__ import annotations

import time

import torch

from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.training import cache, member_state
from sweeper.cvae.training.cuda_graph import WARM_UP
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.step import Stepper

MOST = {"cpu": 16, "cuda": 1024}
GROWTH = {"cpu": 2, "cuda": 4}
AGAIN = {"cpu": 1, "cuda": 0}  # further rounds over all sizes: a CPU is shared with others, who come and go
RISES = 1.02  # larger packs are tried until a member's step takes this much longer than the least before
NEAR_BEST = 1.05  # the smallest pack is taken of those whose members' step is as cheap, but for this: a clock errs
STEPS = 2


def size_that_pays(program: Program, config: CVAEConfig, shape: str) -> int:
    """The number of members beyond which a member's step gets no cheaper, from the cache or by a probe of seconds."""
    key = cache.key_of(program, "pack of", shape)
    size = cache.remembered(key)
    if size is None:
        size = measured_size(program, config)
        cache.remember(key, size)
    return size


def measured_size(program: Program, config: CVAEConfig) -> int:
    """Doubles a dummy pack until the time per trial stops improving or memory runs out; returns the best size."""
    kind = program.device.type
    size, one = 1, _stand_in(program, config)
    costs = {size: _seconds(program, one)}
    while size * GROWTH[kind] <= MOST[kind]:
        size, least = size * GROWTH[kind], min(costs.values())
        try:
            costs[size] = _seconds(program, one.select([0] * size)) / size
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        if costs[size] > RISES * least:
            break
    for _ in range(AGAIN[kind]):
        for size in costs:
            costs[size] = min(costs[size], _seconds(program, one.select([0] * size)) / size)
    return min(size for size, cost in costs.items() if cost <= NEAR_BEST * min(costs.values()))


def _stand_in(program: Program, config: CVAEConfig) -> BatchedState:
    one = member_state.member(program, config, seed=0)
    member_state.load_chunk(program, one, {0: (config, 0, 0)})
    return one


def _seconds(program: Program, members: BatchedState) -> float:
    """The shortest step of a few, after those that warm up: what disturbs a step only lengthens it."""
    stepper, taken = Stepper(program, members), []
    stepper.run(WARM_UP if stepper.records else 1)
    for _ in range(STEPS):
        _wait(program)
        start = time.perf_counter()
        stepper.run(1)
        _wait(program)
        taken.append(time.perf_counter() - start)
    return min(taken)


def _wait(program: Program) -> None:
    if program.device.type == "cuda":
        torch.cuda.synchronize(program.device)
