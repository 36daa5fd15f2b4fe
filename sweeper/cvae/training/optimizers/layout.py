"""Where each parameter of a model lies in one flat vector [W], or [M, W] with one row per member.

An update is then a dozen operations, however many tensors there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

NOT_DECAYED = ("embedding", "latent", "prior")  # in the names of parameters


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
    return not any(word in name for word in NOT_DECAYED)
