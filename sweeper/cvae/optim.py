"""AdamW on one flat vector, with clipping and a learning rate a group: a pure function that ``torch.func.vmap`` maps.

All parameters of a model lie in one vector [W]: an update is a dozen operations, however many tensors there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

BETA1, BETA2, EPSILON = 0.9, 0.98, 1e-8  # a short memory of the variance: a few thousand steps in all


class Layout(NamedTuple):
    """Where each parameter lies in the flat vector, and which elements are decayed, the router's, or the baseline's."""

    shapes: dict[str, torch.Size]
    decayed_W: Tensor
    router_W: Tensor
    baseline_W: Tensor

    @classmethod
    def of(cls, model: nn.Module) -> Layout:
        """The layout of a model, in the order of its parameters; tables of one row or column are not decayed."""
        parameters = dict(model.named_parameters())

        def mark(chosen: list[bool]) -> Tensor:
            sizes = [parameter.numel() for parameter in parameters.values()]
            return torch.cat([torch.full((size,), float(is_in)) for size, is_in in zip(sizes, chosen, strict=True)])

        return cls(
            {name: parameter.shape for name, parameter in parameters.items()},
            mark([_is_decayed(name) for name in parameters]),
            mark([name.startswith("router.") for name in parameters]),
            mark([name.startswith("baseline.") for name in parameters]),
        )

    def to(self, device: torch.device) -> Layout:
        """The same layout with its masks on ``device``."""
        return Layout(self.shapes, self.decayed_W.to(device), self.router_W.to(device), self.baseline_W.to(device))

    def flatten(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """One vector [W] of all parameters."""
        return torch.cat([parameters[name].reshape(-1) for name in self.shapes])

    def unflatten(self, flat_W: Tensor) -> dict[str, Tensor]:
        """Views of the vector, by name; their gradient is one concatenation."""
        parts = torch.split(flat_W, [shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}


def _is_decayed(name: str) -> bool:
    return not any(word in name for word in ("embedding", "latent", "prior"))


class Moments(NamedTuple):
    """AdamW's running mean and square of the gradient, [W] each."""

    mean_W: Tensor
    square_W: Tensor


def clip(gradient_W: Tensor, baseline_W: Tensor, limit: float) -> tuple[Tensor, Tensor]:
    """The gradient with its norm at most ``limit``, and the norm before; the baseline's part has a norm of its own."""
    square_W = gradient_W.square()
    baseline_norm = (square_W * baseline_W).sum().sqrt()
    norm = (square_W * (1 - baseline_W)).sum().sqrt()
    scale = (limit / (norm + 1e-12)).clamp_max(1.0)
    baseline_scale = (limit / (baseline_norm + 1e-12)).clamp_max(1.0)
    return gradient_W * (scale + (baseline_scale - scale) * baseline_W), norm


def adamw(
    flat_W: Tensor, gradient_W: Tensor, moments: Moments, step: int, rate_W: Tensor, decay_W: Tensor
) -> tuple[Tensor, Moments]:
    """The parameters and moments after step number ``step`` = 1, 2, ...; rate and decay may differ by element."""
    mean_W = torch.lerp(gradient_W, moments.mean_W, BETA1)
    square_W = torch.lerp(gradient_W.square(), moments.square_W, BETA2)
    unbias = math.sqrt(1 - BETA2**step) / (1 - BETA1**step)
    direction_W = unbias * mean_W / (square_W.sqrt() + EPSILON)
    return flat_W - rate_W * (direction_W + decay_W * flat_W), Moments(mean_W, square_W)


def learning_rate(step: int, steps: int, peak: float, warmup: float, final: float) -> float:
    """A linear rise over the share ``warmup`` of the steps, then a cosine down to the share ``final`` of ``peak``."""
    rise = max(1.0, warmup * steps)
    if step < rise:
        return peak * step / rise
    progress = (step - rise) / max(1.0, steps - rise)
    return peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)
