"""The fastest size of a pack: measured once per device and shape, then cached."""

from __future__ import annotations

import time

import torch

from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.memory.available import cpu_bytes
from sweeper.cvae.memory.check import most_members
from sweeper.cvae.training import cache, member_state
from sweeper.cvae.training.cuda_graph import WARM_UP
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.program import Program, device_of
from sweeper.cvae.training.step import Stepper

MOST = {"cpu": 16, "cuda": 1024}
GROWTH = {"cpu": 2, "cuda": 4}
AGAIN = {"cpu": 1, "cuda": 0}  # further rounds over all sizes: other processes share a CPU
RISES = 1.02  # larger packs are tried until the time per member exceeds the least by this factor
IN_A_ROW = {"cpu": 2, "cuda": 1}  # so many times: once may be noise where other processes share a CPU
NEAR_BEST = 1.05  # of packs whose time per member is within this factor, the smallest is taken: a clock errs
STEPS = 2


def fitting_members(config: CVAEConfig, wanted: int | None) -> int:
    """How many trials fit into the memory that is free now, ``wanted`` at most (None: as many as are ever tried).

    By an estimate. Raises ValueError with what is needed, what there is and what to change if not even one fits.
    """
    kind = device_of(config.train.device).type
    free = float(torch.cuda.mem_get_info()[0]) if kind == "cuda" else cpu_bytes()
    return (wanted or MOST[kind]) if free is None else most_members(config, free, kind, wanted or MOST[kind])


def best_pack_size(program: Program, config: CVAEConfig, shape: str, fitting: int | None = None) -> int:
    """The number of members beyond which the time per member stops improving: cached, or measured in seconds.

    No more than ``fitting`` are tried; what was found among these alone is not cached.
    """
    key = cache.key_of(program, "pack of", shape)
    size = cache.remembered(key)
    if size is None:
        size = measure_pack_size(program, config, fitting)
        if fitting is None or fitting >= MOST[program.device.type]:
            cache.remember(key, size)
    return size


def measure_pack_size(program: Program, config: CVAEConfig, fitting: int | None = None) -> int:
    """Doubles a dummy pack until the time per trial stops improving or memory runs out; returns the best size."""
    kind = program.device.type
    size, one = 1, _dummy_pack(program, config)
    costs, rises = {size: _seconds(program, one)}, 0
    while rises < IN_A_ROW[kind] and size * GROWTH[kind] <= min(MOST[kind], fitting or MOST[kind]):
        size, least = size * GROWTH[kind], min(costs.values())
        try:
            costs[size] = _seconds(program, one.select([0] * size)) / size
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        rises = rises + 1 if costs[size] > RISES * least else 0
    for _ in range(AGAIN[kind]):
        for size in costs:
            costs[size] = min(costs[size], _seconds(program, one.select([0] * size)) / size)
    return min(size for size, cost in costs.items() if cost <= NEAR_BEST * min(costs.values()))


def _dummy_pack(program: Program, config: CVAEConfig) -> BatchedState:
    one = member_state.member(program, config, seed=0)
    member_state.load_chunk(program, one, {0: (config, 0, 0)})
    return one


def _seconds(program: Program, members: BatchedState) -> float:
    """The shortest of a few steps after a warm-up: a disturbance only lengthens a step.

    Of this process alone where one thread computes, as other workers take measure at the same time.
    """
    stepper, taken = Stepper(program, members), []
    alone = program.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    stepper.run(WARM_UP if stepper.records else 1)
    for _ in range(STEPS):
        _wait(program)
        start = clock()
        stepper.run(1)
        _wait(program)
        taken.append(clock() - start)
    return min(taken)


def _wait(program: Program) -> None:
    if program.device.type == "cuda":
        torch.cuda.synchronize(program.device)
