"""The state of a pack: one row per member in every tensor. M members, W trained parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from sweeper.fused.protocols import FusedMember
from sweeper.fused.recipe import Recipe


@dataclass(slots=True)
class FusedTrial:
    """A member in training: the steps done, its generators, and what it reported last.

    `batches` is the generator of its examples, `noise` the state of the one for initialisation and random operations.
    """

    member: FusedMember
    params: Mapping[str, Any]
    seed: int
    steps: int
    report_every: int
    batches: torch.Generator
    noise: Tensor
    step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, member: FusedMember) -> FusedTrial:
        """A member before its first step. Raises ValueError for settings that are no training."""
        params = {**recipe.parameters, **member.params}
        seed = params.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed: found {seed!r}, allowed: an integer")
        steps, every = (int(recipe.number(value, params)) for value in (recipe.steps, recipe.report_every))
        if steps < 1 or every < 1:
            raise ValueError(f"steps and report_every: found {steps} and {every}, allowed: at least 1")
        generator = torch.Generator().manual_seed(seed % 2**63)
        return cls(member, params, seed, steps, every, generator, generator.get_state())

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint holds besides the row: tensors and data of JSON."""
        tensors = {"generator.batches": self.batches.get_state(), "generator.noise": self.noise}
        return tensors, {"step": self.step, "metrics": self.metrics}

    def restore(self, tensors: Mapping[str, Tensor], data: Mapping[str, Any]) -> None:
        """Goes on from what :meth:`saved` returned."""
        self.batches.set_state(tensors["generator.batches"])
        self.noise = tensors["generator.noise"]
        self.step, self.metrics = int(data["step"]), dict(data["metrics"])

    @property
    def is_last_step(self) -> bool:
        """Whether all its steps are done."""
        return self.step >= self.steps

    @property
    def report_due(self) -> bool:
        """Whether the step just done has a report."""
        return self.is_last_step or self.step % self.report_every == 0


@dataclass(slots=True)
class MemberRows:
    """All that a step needs of the members: parameters, the optimizer's slots, constants, settings, hyperparameters."""

    flat_MW: Tensor
    slots: dict[str, Tensor]
    constants: dict[str, Tensor]
    settings: dict[str, Tensor]
    hyperparameters: dict[str, Tensor]

    @classmethod
    def first(cls, recipe: Recipe, flat_W: Tensor, constants: Mapping[str, Tensor], trial: FusedTrial) -> MemberRows:
        """The row of one member before its first step."""
        device, dtype = flat_W.device, flat_W.dtype
        varied = {name: trial.params[name] for name in recipe.varied}
        return cls(
            flat_W[None],
            {name: torch.zeros_like(flat_W)[None] for name in recipe.optimizer.slots},
            {name: tensor.to(device)[None] for name, tensor in constants.items()},
            {name: torch.tensor([value], dtype=dtype, device=device) for name, value in varied.items()},
            {
                name: torch.tensor([[value]], dtype=dtype, device=device)
                for name, value in recipe.hyperparameters(trial.params).items()
            },
        )

    def select(self, rows: Sequence[int]) -> MemberRows:
        """These rows alone, copied."""
        index = torch.tensor(rows, device=self.flat_MW.device)
        return _combined(lambda tensors: tensors[0].index_select(0, index), self)

    def joined(self, other: MemberRows) -> MemberRows:
        """These rows, then those of another state."""
        return _combined(torch.cat, self, other)

    def saved(self, row: int) -> dict[str, Tensor]:
        """What a checkpoint of a member holds; the rest follows from its settings and seed."""
        return {"parameters": self.flat_MW[row], **{f"optimizer.{name}": of[row] for name, of in self.slots.items()}}

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Sets the only row to what :meth:`saved` returned."""
        self.flat_MW[0].copy_(saved["parameters"])
        for name, tensor in self.slots.items():
            tensor[0].copy_(saved[f"optimizer.{name}"])


def _combined(how: Any, *states: MemberRows) -> MemberRows:
    made: list[Any] = []
    for entry in fields(MemberRows):
        values = [getattr(state, entry.name) for state in states]
        if isinstance(values[0], dict):
            made.append({name: how([value[name] for value in values]) for name in values[0]})
        else:
            made.append(how(values))
    return MemberRows(*made)
