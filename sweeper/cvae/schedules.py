"""The value of each loss weight at a step of the training."""

from __future__ import annotations

import dataclasses
import math

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


def weights_at(config: DisentanglementLossConfig, progress: float) -> dict[str, float]:
    """Every scheduled weight by its name, at ``progress`` in [0, 1]."""
    return {name: scheduled(getattr(config, name), getattr(config.schedules, name), progress) for name in WEIGHTS}
