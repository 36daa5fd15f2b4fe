"""How many trials a pack takes where that is not given: on a CPU by their sizes, on a GPU by measurement, cached."""

from __future__ import annotations

import time

import torch

from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.memory.available import cpu_bytes
from sweeper.cvae.memory.check import most_members
from sweeper.cvae.memory.estimate import MAPPED, largest_tensor
from sweeper.cvae.training import cache, member_state
from sweeper.cvae.training.cuda_graph import WARM_UP
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.program import Program, device_of
from sweeper.cvae.training.step import Stepper

CPU_SIZES = (4, 2, 1)  # a core is full with four members: eight were no faster in any size measured but batches of 32
MOST = {"cpu": CPU_SIZES[0], "cuda": 1024}
GROWTH = 4
RISE = 1.02  # larger packs are tried until the time per member exceeds the least by this factor
NEAR_BEST = 1.05  # of packs whose time per member is within this factor, the smallest is taken: a clock errs
STEPS = 2


def fitting_members(config: CVAEConfig, wanted: int | None) -> int:
    """How many trials fit into the memory that is free now, ``wanted`` at most (None: as many as are ever tried).

    By an estimate. Raises ValueError with what is needed, what there is and what to change if not even one fits.
    """
    kind = device_of(config.train.device).type
    free = float(torch.cuda.mem_get_info()[0]) if kind == "cuda" else cpu_bytes()
    return (wanted or MOST[kind]) if free is None else most_members(config, free, kind, wanted or MOST[kind])


def best_pack_size(program: Program, config: CVAEConfig, shape: str, fitting: int) -> int:
    """The number of members, ``fitting`` at most, beyond which the time per member stops improving.

    Not measured on a CPU, where other workers disturb a clock and four were the best of nearly all sizes tried
    (tests/benchmarks/cvae_notes.md). On a GPU it takes seconds, once per shape.
    """
    if program.device.type == "cpu":
        return min(fitting, cpu_pack_size(config))
    return remembered_pack_size(program, config, shape, fitting)


def cpu_pack_size(config: CVAEConfig) -> int:
    """Four, or fewer where a step of four has tensors that glibc maps anew each time, which costs more."""
    return next((size for size in CPU_SIZES if largest_tensor(config, size) <= MAPPED), 1)


def remembered_pack_size(program: Program, config: CVAEConfig, shape: str, fitting: int) -> int:
    """What was measured for this device and shape before, or is now; kept unless ``fitting`` limited it."""
    key = cache.key_of(program, "pack of", shape)
    size = cache.remembered(key)
    if size is None:
        size = measure_pack_size(program, config, fitting)
        if fitting >= MOST["cuda"]:
            cache.remember(key, size)
    return min(size, fitting)


def measure_pack_size(program: Program, config: CVAEConfig, fitting: int) -> int:
    """Quadruples a dummy pack until the time per trial stops improving or memory runs out; returns the best size."""
    size, one = 1, _dummy_pack(program, config)
    costs = {size: _seconds(program, one)}
    while costs[size] <= RISE * min(costs.values()) and size * GROWTH <= min(MOST["cuda"], fitting):
        size *= GROWTH
        try:
            costs[size] = _seconds(program, one.select([0] * size)) / size
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
    return min(size for size, cost in costs.items() if cost <= NEAR_BEST * min(costs.values()))


def _dummy_pack(program: Program, config: CVAEConfig) -> BatchedState:
    one = member_state.member(program, config, seed=0)
    member_state.load_chunk(program, one, {0: (config, 0, 0)})
    return one


def _seconds(program: Program, members: BatchedState) -> float:
    """The shortest of a few steps after a warm-up: a disturbance only lengthens a step."""
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
