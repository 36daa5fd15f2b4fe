"""SGD, Adam and AdamW as `torch.optim` computes them, for many models at once: every hyperparameter is one per member.

All parameters of a member are one row of a tensor [M, W]: M members, W parameters. A hyperparameter is a number, or the
name of the setting that holds it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

Hyperparameter = float | str


@dataclass(frozen=True, slots=True)
class SGD:
    """`torch.optim.SGD` with momentum (`nesterov` or not) and weight decay; `dampening` is 0."""

    slots: ClassVar[tuple[str, ...]] = ("momentum_buffer",)
    lr: Hyperparameter = 1e-3
    momentum: Hyperparameter = 0.0
    weight_decay: Hyperparameter = 0.0
    nesterov: bool = False

    def update_(
        self,
        flat_MW: Tensor,
        gradient_MW: Tensor,
        slots: Mapping[str, Tensor],
        step_M1: Tensor,
        h: Mapping[str, Tensor],
    ) -> None:
        """One step in place; `slots` begin as zeros, `step_M1` counts from 1, `h` are hyperparameters, [M, 1] each."""
        gradient_MW = gradient_MW + h["weight_decay"] * flat_MW
        buffer_MW = slots["momentum_buffer"].mul_(h["momentum"]).add_(gradient_MW)
        direction_MW = gradient_MW + h["momentum"] * buffer_MW if self.nesterov else buffer_MW
        flat_MW.sub_(h["lr"] * direction_MW)


@dataclass(frozen=True, slots=True)
class Adam:
    """`torch.optim.Adam`: weight decay is added to the gradient. Source: Kingma and Ba, 2015."""

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    lr: Hyperparameter = 1e-3
    beta1: Hyperparameter = 0.9
    beta2: Hyperparameter = 0.999
    eps: Hyperparameter = 1e-8
    weight_decay: Hyperparameter = 0.0

    def update_(
        self,
        flat_MW: Tensor,
        gradient_MW: Tensor,
        slots: Mapping[str, Tensor],
        step_M1: Tensor,
        h: Mapping[str, Tensor],
    ) -> None:
        """As :meth:`SGD.update_`."""
        _adam_(flat_MW, gradient_MW + h["weight_decay"] * flat_MW, slots, step_M1, h)


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """`torch.optim.AdamW`: weight decay shrinks the parameters. Source: Loshchilov and Hutter, 2019."""

    weight_decay: Hyperparameter = 0.01

    def update_(
        self,
        flat_MW: Tensor,
        gradient_MW: Tensor,
        slots: Mapping[str, Tensor],
        step_M1: Tensor,
        h: Mapping[str, Tensor],
    ) -> None:
        """As :meth:`SGD.update_`."""
        flat_MW.mul_(1 - h["lr"] * h["weight_decay"])
        _adam_(flat_MW, gradient_MW, slots, step_M1, h)


Optimizer = SGD | Adam | AdamW
BY_NAME: Mapping[str, type[SGD | Adam | AdamW]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


def hyperparameters(optimizer: Optimizer) -> dict[str, Hyperparameter]:
    """The hyperparameters of an optimizer that members may differ in, by name."""
    found = {field.name: getattr(optimizer, field.name) for field in dataclasses.fields(optimizer)}
    return {name: value for name, value in found.items() if not isinstance(value, bool)}


def _adam_(
    flat_MW: Tensor, gradient_MW: Tensor, slots: Mapping[str, Tensor], step_M1: Tensor, h: Mapping[str, Tensor]
) -> None:
    mean_MW = slots["mean"].lerp_(gradient_MW, 1 - h["beta1"])
    square_MW = slots["square"].mul_(h["beta2"]).add_((1 - h["beta2"]) * gradient_MW.square())
    # In float64: 1 - 0.999 ** step would lose three digits in float32.
    first_M1, second_M1 = (1 - h[beta].double() ** step_M1.double() for beta in ("beta1", "beta2"))
    denominator_MW = (square_MW.sqrt() / second_M1.sqrt().to(flat_MW.dtype)).add_(h["eps"])
    flat_MW.sub_((h["lr"].double() / first_M1).to(flat_MW.dtype) * mean_MW / denominator_MW)
