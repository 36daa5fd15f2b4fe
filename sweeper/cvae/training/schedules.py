"""The value of each loss weight at a step of the training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from sweeper.cvae.config import DisentanglementLossConfig, Schedule, Schedules

WEIGHTS = tuple(field.name for field in dataclasses.fields(Schedules))


def scheduled(weight: float, schedule: Schedule, progress: float) -> float:
    """The weight at ``progress`` in [0, 1]: from ``initial`` it comes to ``weight`` at the share ``end``."""
    if schedule.kind == "constant" or progress >= schedule.end:
        return weight
    if schedule.kind == "delayed" or progress <= schedule.start:
        return schedule.initial
    ramp = (progress - schedule.start) / (schedule.end - schedule.start)
    if schedule.kind == "cosine":
        ramp = (1 - math.cos(math.pi * ramp)) / 2
    return schedule.initial + ramp * (weight - schedule.initial)


def weights_over(config: DisentanglementLossConfig, progress: Sequence[float]) -> dict[str, list[float]]:
    """Every scheduled weight by its name, at each ``progress`` in [0, 1]."""
    found = {}
    for name in WEIGHTS:
        weight, schedule = getattr(config, name), getattr(config.schedules, name)
        constant = schedule.kind == "constant"
        found[name] = [weight if constant else scheduled(weight, schedule, share) for share in progress]
    return found
