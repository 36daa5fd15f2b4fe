"""AdamW on one flat vector, with clipping and one learning rate per group.

Every [W] here may be [M, W], one row per member; rates and limits are then [M, W] and [M].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.98, 1e-8  # a short memory of the variance: a few thousand steps in all


class Moments(NamedTuple):
    """AdamW's running mean and square of the gradient, [W] each."""

    mean_W: Tensor
    square_W: Tensor


def clip_(gradient_W: Tensor, limit: Tensor) -> Tensor:
    """Scales the gradient in place to a norm of at most ``limit``; returns the norm before."""
    norm: Tensor = torch.linalg.vector_norm(gradient_W, dim=-1)
    gradient_W.mul_((limit / (norm + 1e-12)).clamp_max(1.0)[..., None])
    return norm


def adamw_direction(gradient_W: Tensor, moments: Moments, correction: Tensor) -> Tensor:
    """The direction of a step, decay aside; updates ``moments`` in place, ``correction`` is :func:`bias_correction`."""
    moments.mean_W.lerp_(gradient_W, 1 - BETA1)
    moments.square_W.mul_(BETA2).addcmul_(gradient_W, gradient_W, value=1 - BETA2)
    return moments.mean_W * correction[..., None] / moments.square_W.sqrt().add_(EPSILON)


def move_(flat_W: Tensor, direction_W: Tensor, rate_W: Tensor, decay_W: Tensor) -> None:
    """Moves the parameters against ``direction_W``, which is overwritten, and decays them; both in place."""
    flat_W.sub_(rate_W * direction_W.addcmul_(decay_W, flat_W))


def bias_correction(step: int) -> float:
    """AdamW's factor for moments that began at zero, at step number ``step`` = 1, 2, ..."""
    return math.sqrt(1 - BETA2**step) / (1 - BETA1**step)
