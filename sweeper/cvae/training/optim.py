"""AdamW on one flat vector, with clipping and one learning rate per group.

All parameters of a model lie in one vector [W]: an update is a dozen operations, however many tensors there are. Every
[W] here may be [M, W], one row per member; rates and limits are then [M, W] and [M].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.98, 1e-8  # a short memory of the variance: a few thousand steps in all


class Layout(NamedTuple):
    """Where each parameter lies in the flat vector, and which elements are decayed, or the router's."""

    shapes: dict[str, torch.Size]
    decayed_W: Tensor
    router_W: Tensor

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor]) -> Layout:
        """The layout of named parameters, in their order."""

        def mark(chosen: list[bool]) -> Tensor:
            sizes = [parameter.numel() for parameter in parameters.values()]
            return torch.cat([torch.full((size,), float(is_in)) for size, is_in in zip(sizes, chosen, strict=True)])

        return cls(
            {name: parameter.shape for name, parameter in parameters.items()},
            mark([_is_decayed(name) for name in parameters]),
            mark([name.startswith("router.") for name in parameters]),
        )

    def to(self, device: torch.device) -> Layout:
        """The same layout with its masks on ``device``."""
        return Layout(self.shapes, self.decayed_W.to(device), self.router_W.to(device))

    def flatten(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """One vector [W] of all parameters of one model."""
        return torch.cat([parameters[name].reshape(-1) for name in self.shapes])

    def unflatten(self, flat_W: Tensor) -> dict[str, Tensor]:
        """Views of the vector, by name; their gradient is one concatenation."""
        parts = torch.split(flat_W, [shape.numel() for shape in self.shapes.values()], dim=-1)
        members = flat_W.shape[:-1]
        return {
            name: part.view(*members, *shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    def split(self, flat_W: Tensor, by: str) -> list[Tensor]:
        """Views of the vector's parts: the parameters whose names begin with ``by``, which come first, and the rest."""
        first = sum(shape.numel() for name, shape in self.shapes.items() if name.startswith(by))
        parts = torch.split(flat_W, [first, flat_W.shape[-1] - first], dim=-1)
        return [part for part in parts if part.shape[-1]]


def _is_decayed(name: str) -> bool:
    return not any(word in name for word in ("embedding", "latent", "prior"))


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


def warmup_cosine(step: int, steps: int, peak: float, warmup: float, final: float) -> float:
    """A linear rise over the share ``warmup`` of the steps, then a cosine down to the share ``final`` of ``peak``."""
    rise = max(1.0, warmup * steps)
    if step < rise:
        return peak * step / rise
    progress = (step - rise) / max(1.0, steps - rise)
    return peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)
