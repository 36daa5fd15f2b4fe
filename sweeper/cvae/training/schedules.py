"""The per-step hyperparameters: loss weights, what shapes the terms, and AdamW's, each at every step of a training.

Shapes: C steps of a chunk, X hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sweeper.cvae.config import CVAEConfig, TrainConfig
from sweeper.cvae.terms import TERM_OF_WEIGHT, DisentanglementLossConfig, Schedule
from sweeper.cvae.training.optimizers.adamw import bias_correction

HYPERPARAMETERS = (
    *TERM_OF_WEIGHT,
    "marginal_ema",
    "token_weight_warmup",
    "support_floor",
    "learning_rate",
    "bias_correction",
)


def hyperparameters(config: CVAEConfig, steps: Sequence[int]) -> list[list[float]]:
    """The values named in HYPERPARAMETERS, [X][C], for the step that follows each of ``steps`` done."""
    loss, train = config.loss, config.train
    progress = [step / train.steps for step in steps]
    warmup = [min(1.0, share / train.baseline_warmup) if train.baseline_warmup else 1.0 for share in progress]
    found = weights_over(loss, progress) | {
        "marginal_ema": [loss.marginal_ema] * len(steps),
        "token_weight_warmup": warmup,
        "support_floor": [loss.support_floor] * len(steps),
        "learning_rate": [learning_rate(train, step + 1) for step in steps],
        "bias_correction": [bias_correction(step + 1) for step in steps],
    }
    return [found[name] for name in HYPERPARAMETERS]


def learning_rate(train: TrainConfig, step: int) -> float:
    """The learning rate of step number ``step`` = 1, 2, ..."""
    return warmup_cosine(step, train.steps, train.learning_rate, train.warmup, train.final_lr)


def warmup_cosine(step: int, steps: int, peak: float, warmup: float, final: float) -> float:
    """A linear rise over the share ``warmup`` of the steps, then a cosine down to the share ``final`` of ``peak``."""
    rise = max(1.0, warmup * steps)
    if step < rise:
        return peak * step / rise
    progress = (step - rise) / max(1.0, steps - rise)
    return peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)


def weights_over(config: DisentanglementLossConfig, progress: Sequence[float]) -> dict[str, list[float]]:
    """The weight of every term by its setting, at each ``progress`` in [0, 1]."""
    found = {}
    for name in TERM_OF_WEIGHT:
        weight, schedule = getattr(config, name), getattr(config.schedules, name)
        constant = schedule.kind == "constant"
        found[name] = [weight if constant else scheduled(weight, schedule, share) for share in progress]
    return found


def scheduled(weight: float, schedule: Schedule, progress: float) -> float:
    """The weight at ``progress`` in [0, 1]: it moves from ``initial`` to ``weight``, reached at the share ``end``."""
    if schedule.kind == "constant" or progress >= schedule.end:
        return weight
    if schedule.kind == "delayed" or progress <= schedule.start:
        return schedule.initial
    ramp = (progress - schedule.start) / (schedule.end - schedule.start)
    if schedule.kind == "cosine":
        ramp = (1 - math.cos(math.pi * ramp)) / 2
    return schedule.initial + ramp * (weight - schedule.initial)
