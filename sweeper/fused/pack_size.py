"""The fastest size of a pack: members share what an operation costs until their tensors no longer fit the cache."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST = {"cpu": 64, "cuda": 1024}
RISES = 1.25  # larger packs are tried until the time per member exceeds the least by this factor
NEAR_BEST = 1.1  # of packs whose time per member is within this factor, the smallest is taken: a clock errs
ENOUGH_S = 3.0  # nothing more is measured after this time
STEPS = 3


def best_size(seconds: Callable[[int], float], most: int, now: Callable[[], float] = time.monotonic) -> int:
    """The size of the least time per member: 1, or 4 doubled; `seconds` measures a step of so many members.

    All sizes are measured a second time, and the lesser time counts: a disturbance only lengthens a step.
    """
    began, size = now(), 4  # two members seldom win back what vmap costs
    alone, costs = seconds(1), {size: seconds(size) / size}
    while 2 * size <= most and now() - began < ENOUGH_S and costs[size] <= RISES * min(costs.values()):
        size *= 2
        costs[size] = seconds(size) / size
    costs = {1: alone, **costs}
    for size in costs:
        if now() - began < 2 * ENOUGH_S:
            costs[size] = min(costs[size], seconds(size) / size)
    return min(size for size, cost in costs.items() if cost <= NEAR_BEST * min(costs.values()))


def shortest(step: Callable[[], object], device: str) -> float:
    """Seconds of the shortest of a few steps after a warm-up; on a CPU of this thread, which others may interrupt."""
    clock = time.thread_time if device == "cpu" else time.perf_counter
    step()
    taken = []
    for _ in range(STEPS):
        start = clock()
        step()
        taken.append(clock() - start)
    return min(taken)
