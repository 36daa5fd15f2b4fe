"""What `sweeper.fuse` is given, checked: the functions of a training and the settings that they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sweeper.fused.optimizers import BY_NAME, SGD, Adam, AdamW, Optimizer, hyperparameters

if TYPE_CHECKING:
    import torch
    from torch import nn

Params = Mapping[str, Any]
Number = float | str  # a number, or the name of the setting that holds it


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training without its settings. `varied` are the settings in which members of a pack may differ."""

    model: Callable[[Params], nn.Module]
    loss: Callable[..., Any]
    batch: Callable[[Params, int, torch.Generator], Any]
    optimizer: Optimizer
    parameters: Params
    varied: tuple[str, ...]
    fixed: tuple[str, ...]
    steps: Number
    report_every: Number
    evaluate: Callable[[nn.Module, Params], Mapping[str, float]] | None
    schedule: Callable[[int, Params], float] | None
    clip_norm: Number | None
    device: str
    sizes: dict[str, int] = field(default_factory=dict)  # best sizes of packs in this process, by the fixed settings

    def number(self, value: Number, params: Params) -> float:
        """A number, looked up among the settings where it is the name of one."""
        return float(params[value]) if isinstance(value, str) else float(value)

    def hyperparameters(self, params: Params) -> dict[str, float]:
        """The optimizer's hyperparameters of a member, `clip_norm` among them where there is one."""
        wanted: dict[str, Number] = hyperparameters(self.optimizer)
        if self.clip_norm is not None:
            wanted = {**wanted, "clip_norm": self.clip_norm}
        return {name: self.number(value, params) for name, value in wanted.items()}


def make_recipe(optimizer: Optimizer | str, parameters: Params, fixed: Sequence[str], **rest: Any) -> Recipe:
    """The recipe of these arguments of `fuse`. Raises ValueError or TypeError where they do not fit together."""
    chosen = _optimizer(optimizer, parameters)
    if unknown := [name for name in fixed if name not in parameters]:
        raise ValueError(f"fixed: {', '.join(unknown)} is no setting of `parameters`")
    varied = tuple(name for name, value in parameters.items() if isinstance(value, float) and name not in fixed)
    others = tuple(name for name in parameters if name not in varied and name != "seed")
    recipe = Recipe(optimizer=chosen, parameters=parameters, varied=varied, fixed=others, **rest)
    used = {"steps": recipe.steps, "report_every": recipe.report_every, "clip_norm": recipe.clip_norm}
    for name, value in {**hyperparameters(chosen), **used}.items():
        if isinstance(value, str) and value not in parameters:
            raise ValueError(f"{name}: {value!r} is no setting of `parameters` ({', '.join(parameters)})")
    for name in ("model", "loss", "batch", "evaluate", "schedule"):
        if not callable(function := getattr(recipe, name)) and (name in ("model", "loss", "batch") or function):
            raise TypeError(f"{name}: found {type(function).__name__}, allowed: a function")
    return recipe


def _optimizer(optimizer: Optimizer | str, parameters: Params) -> Optimizer:
    """The optimizer itself; one given by name takes the settings that are called as its hyperparameters."""
    if isinstance(optimizer, SGD | Adam | AdamW):
        return optimizer
    if isinstance(optimizer, str) and optimizer in BY_NAME:
        kind = BY_NAME[optimizer]
        taken: dict[str, Any] = {name: name for name in hyperparameters(kind()) if name in parameters}
        return kind(**taken)
    allowed = f"{', '.join(BY_NAME)}, or SGD, Adam or AdamW of sweeper.fused, as in AdamW(lr='lr')"
    raise TypeError(f"optimizer: found {optimizer!r}, allowed: {allowed}")
