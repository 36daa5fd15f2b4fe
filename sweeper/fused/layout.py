"""A module's tensors as rows: all that is trained in one vector, the rest by name.

Shapes: M members, W trained parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sweeper.errors import ContractError

INTERNAL = frozenset(nn.Module().__dict__)  # what every module holds


@dataclass(frozen=True, slots=True)
class FlatLayout:
    """Where each trained parameter lies in a row; equal for all members of a pack."""

    shapes: dict[str, torch.Size]
    dtype: torch.dtype

    @classmethod
    def of(cls, module: nn.Module) -> FlatLayout:
        """The layout of a module. Raises ContractError for parameters that cannot lie in one vector."""
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not trained:
            raise ContractError("the model has no parameter to train")
        for name, parameter in trained.items():
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise ContractError(f"{name} has no shape before the first call; give the lazy module its sizes")
        dtypes = {name: parameter.dtype for name, parameter in trained.items()}
        first = next(iter(dtypes.values()))
        if mixed := [name for name, dtype in dtypes.items() if dtype != first]:
            raise ContractError(f"{mixed[0]} is {dtypes[mixed[0]]}, the parameters before it {first}; use one dtype")
        return cls({name: parameter.shape for name, parameter in trained.items()}, first)

    def flatten(self, module: nn.Module) -> Tensor:
        """One vector [W] of what a module trains, copied."""
        named = dict(module.named_parameters())
        return torch.cat([named[name].detach().reshape(-1) for name in self.shapes])

    def unflatten(self, flat_W: Tensor) -> dict[str, Tensor]:
        """Views of a row by name; their gradient is one concatenation."""
        parts = torch.split(flat_W, [shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}


def constants(module: nn.Module) -> dict[str, Tensor]:
    """Buffers and frozen parameters: tensors that training reads and does not change."""
    frozen = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    return frozen | dict(module.named_buffers())


def state_dict(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `module.state_dict()` would be with these parameters and buffers; tied ones under all their names."""
    names = {id(tensor): name for name, tensor in [*module.named_parameters(), *module.named_buffers()]}
    saved = module.state_dict(keep_vars=True)
    return {name: tensors.get(names.get(id(own), ""), own).detach() for name, own in saved.items()}


def difference(template: nn.Module, other: nn.Module) -> str:
    """Where another module is not the template with other values in its tensors, or "": then both can share a pack."""
    mine, others = dict(_description(template)), dict(_description(other))
    for place in [*mine, *(place for place in others if place not in mine)]:
        here, there = mine.get(place, "absent"), others.get(place, "absent")
        if here != there:
            return f"{place or 'the model'} is {there}, and {here} in the pack"
    return ""


def _description(module: nn.Module) -> Iterator[tuple[str, str]]:
    """All that members of a pack must agree in, by its place: kinds and attributes of modules, shapes of tensors."""
    for name, part in module.named_modules():
        yield name, type(part).__qualname__
        for attribute, value in part.__dict__.items():
            if attribute not in INTERNAL and (text := _plain(value)):
                yield f"{name}.{attribute}".lstrip("."), text
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        yield name, f"{tuple(tensor.shape)} {tensor.dtype}{'' if tensor.requires_grad else ', not trained'}"


def _plain(value: Any) -> str:
    if isinstance(value, bool | int | float | str | torch.Size | None):
        return repr(value)
    if isinstance(value, tuple | list) and all(_plain(item) for item in value):
        return repr(value)
    return getattr(value, "__qualname__", "") if callable(value) and not isinstance(value, nn.Module) else ""
