"""`sweeper.fuse`: a trainer of one's own model that trains packs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.fused.optimizers import Optimizer
from sweeper.fused.protocols import FusedMember, MemberSource, StateStore
from sweeper.fused.recipe import Recipe, make_recipe

Train = Callable[..., dict[str, float]]


def fuse(
    model: Callable[[Mapping[str, Any]], Any],
    loss: Callable[..., Any],
    *,
    batch: Callable[[Mapping[str, Any], int, Any], Any],
    optimizer: Optimizer | str,
    parameters: Mapping[str, Any],
    steps: float | str = "steps",
    report_every: float | str = "report_every",
    evaluate: Callable[[Any, Mapping[str, Any]], Mapping[str, float]] | None = None,
    metrics: Mapping[str, str] | None = None,
    fixed: Sequence[str] = (),
    schedule: Callable[[int, Mapping[str, Any]], float] | None = None,
    clip_norm: float | str | None = None,
    device: str = "auto",
) -> Train:
    """A trainer, `function(params, report)`, that trains the trials of a pack as one program (`torch.func.vmap`).

    `model(params)` makes an nn.Module, called after `torch.manual_seed(seed)`. `loss(model, batch, params)` returns a
    number as a tensor, or that and a mapping of further metrics. `batch(params, step, generator)` returns the tensors
    of step 0, 1, ...; `generator` is the trial's own, seeded by its seed and kept in its checkpoints.

    `parameters` are the settings with their defaults. Those whose default is a float may differ within a pack, and in
    `loss` they are tensors of no dimension; all others, and those named in `fixed`, are plain values that the members
    of a pack agree in. `optimizer` is "sgd", "adam" or "adamw", which take settings named as their hyperparameters, or
    an object of `sweeper.fused`, as AdamW(lr="optimizer.lr"). `steps`, `report_every` and `clip_norm` are numbers or
    names of settings; `schedule(step, params)` is a factor of lr at step 1, 2, ...

    `evaluate(model, params)` returns the metrics of a report besides `loss`, that of the last batch; `metrics`
    describes them. Raises ValueError or TypeError for arguments that do not fit together. A model that cannot be fused
    is refused
    when it is trained, with the name of its module and what to change.
    """
    recipe = make_recipe(
        optimizer, parameters, fixed, model=model, loss=loss, batch=batch, steps=steps, report_every=report_every,
        evaluate=evaluate, schedule=schedule, clip_norm=clip_norm, device=device,
    )  # fmt: skip

    train = _trainer(recipe)
    caller = sys._getframe(1).f_globals.get("__name__", "")  # the code of the trainer is that of the user's module
    described = {"train_pack": lambda source: _train_pack(recipe, source), "parameters": dict(parameters)}
    described["preflight"] = lambda params, size: _try_out(recipe, params, size)
    described |= {"fixed": recipe.fixed, "__module__": caller, **({} if metrics is None else {"metrics": metrics})}
    for name, value in described.items():
        setattr(train, name, value)
    return train


def _trainer(recipe: Recipe) -> Train:
    def train(
        params: Mapping[str, Any],
        report: Callable[[int, Mapping[str, float]], object],
        *,
        directory: Path | None = None,
        checkpoint: StateStore | None = None,
    ) -> dict[str, float]:
        """Trains one model and returns its final metrics, which are also the last reported."""
        alone = _Alone(params, report, directory, checkpoint)
        _train_pack(recipe, _Single([alone]))
        return alone.metrics

    return train


def _train_pack(recipe: Recipe, source: MemberSource) -> None:
    from sweeper.fused.pack import train_pack  # here: it imports torch

    train_pack(recipe, source)


def _try_out(recipe: Recipe, params: Mapping[str, Any], size: int | None) -> None:
    from sweeper.fused.program import try_out

    typed = {name: float(value) if name in recipe.varied else value for name, value in params.items()}
    try_out(recipe, _Alone({"seed": 0, **typed}, lambda step, metrics: None, None, None), alone=size == 1)


@dataclass(slots=True)
class _Alone:
    """A pack's only member, whose end is that of a function: a value, or an exception."""

    params: Mapping[str, Any]
    to: Callable[[int, Mapping[str, float]], object]
    directory: Path | None
    checkpoint: StateStore | None
    metrics: dict[str, float] = field(default_factory=dict)

    def progress(self, step: int) -> None:
        """No one watches."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        self.to(step, metrics)
        return True

    def finish(self, metrics: Mapping[str, float]) -> None:
        self.metrics = dict(metrics)

    def fail(self, error: Exception) -> None:
        raise error


@dataclass(slots=True)
class _Single:
    waiting: list[FusedMember]
    size: int | None = 1

    def join(self, free: int) -> Iterable[FusedMember]:
        taken, self.waiting = self.waiting[:free], self.waiting[free:]
        return taken
