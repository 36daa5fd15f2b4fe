"""Random numbers inside a fused step: each member's from its own generator, the same ones as in training alone.

vmap draws for all members at once from one generator, so that what a member gets would hang on its pack. Below vmap the
draw is one operation on a tensor [M, ...]: here it is made row by row, each with the generator of that member.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sweeper.errors import ContractError

NoiseLayout = tuple[tuple[int, ...], tuple[int, ...]]  # shape and strides


def generator_of(device: torch.device) -> torch.Generator:
    """The global generator that operations on a device draw from."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator


@contextlib.contextmanager
def drawing_from(states: list[Tensor], row: int, device: torch.device) -> Iterator[None]:
    """Random operations of the block continue from `states[row]`, which is where they end afterwards."""
    generator = generator_of(device)
    before = generator.get_state()
    generator.set_state(states[row])
    try:
        yield
    finally:
        states[row] = generator.get_state()
        generator.set_state(before)


class NoiseRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the shape and strides of every random result, in order: numbers are drawn in the order of memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layouts: list[NoiseLayout] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            first = found[0] if isinstance(found, tuple) else found
            self.layouts.append((tuple(first.shape), first.stride()))
        return found


class RowwiseNoise(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Makes every random operation on a tensor [M, ...] row by row, row i continuing from `states[i]`.

    Each row is laid out as in `layouts`, those of training alone: a transposed tensor gets other numbers.
    """

    def __init__(self, states: list[Tensor], device: torch.device, layouts: Sequence[NoiseLayout]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.states, self.device, self.layouts, self.drawn = states, device, layouts, 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **(kwargs or {}))
        if func is torch.ops.aten.bernoulli.p:  # in place of dropout's bernoulli_; always contiguous
            func = torch.ops.aten.bernoulli_.float
            args = [args[0].clone(), *args[1:]]
        layout = self.layouts[self.drawn] if self.drawn < len(self.layouts) else None
        self.drawn += 1
        rows = []
        for row in range(len(self.states)):
            mine = [self._row_of(arg, row, func, layout) for arg in args]
            with drawing_from(self.states, row, self.device):
                rows.append(func(*mine, **(kwargs or {})))
        if torch.Tag.inplace in func.tags:
            return args[0].copy_(torch.stack(rows))
        if isinstance(rows[0], tuple):
            return tuple(torch.stack(parts) for parts in zip(*rows, strict=True))
        return torch.stack(rows)

    def _row_of(self, arg: Any, row: int, func: Any, layout: NoiseLayout | None) -> Any:
        """A member's part of an argument: tensors and sizes begin with the number of members."""
        count = len(self.states)
        if isinstance(arg, Tensor):
            if not arg.dim() or len(arg) != count:
                raise _unknown(func)
            shape, stride = layout or ((), ())
            if tuple(arg.shape[1:]) != shape:
                return arg[row].clone(memory_format=torch.contiguous_format)
            return arg.new_empty_strided(shape, stride).copy_(arg[row])
        if isinstance(arg, list):
            if not arg or arg[0] != count:
                raise _unknown(func)
            return arg[1:]
        if isinstance(arg, int) and func.name().startswith("aten::randperm"):
            raise _unknown(func)
        return arg


def _unknown(func: Any) -> ContractError:
    name = func.name().removeprefix("aten::").partition(".")[0]
    return ContractError(f"{name} in the loss cannot be drawn per trial; draw it in batch() with its generator")
