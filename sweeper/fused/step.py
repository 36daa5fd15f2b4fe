"""One step of all members: the loss of each, its gradient, and the optimizer's update.

Shapes: M members, W trained parameters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from sweeper.errors import ContractError
from sweeper.fused.layout import FlatLayout
from sweeper.fused.noise import NoiseLayout, NoiseRecorder, RowwiseNoise, drawing_from
from sweeper.fused.recipe import Recipe


class StepLosses(NamedTuple):
    """Each member's gradient, loss and further metrics, [M, W], [M] and [M] each."""

    gradient_MW: Tensor
    loss_M: Tensor
    metrics: dict[str, Tensor]


class Bound(nn.Module):
    """A module whose call is any function of the model: with it a loss may use every part and method of the model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Any, *args: Any) -> Any:
        """`function(model, *args)`."""
        return function(self.model, *args)

    def with_tensors(self, tensors: Mapping[str, Tensor], function: Any, *args: Any) -> Any:
        """`function(model, *args)` with these parameters and buffers in place of the model's own."""
        return functional_call(self, {f"model.{name}": tensor for name, tensor in tensors.items()}, (function, *args))


class Constants(NamedTuple):
    """Buffers and frozen parameters: those that all rows share, as one, and those that differ, [M, ...]."""

    alike: dict[str, Tensor]
    own: dict[str, Tensor]

    @classmethod
    def of(cls, rows: Mapping[str, Tensor]) -> Constants:
        """Sorts tensors [M, ...]; to compare them waits for the device, so that it is done once per change of rows."""
        alike = {
            name: tensor[0] for name, tensor in rows.items() if len(tensor) == 1 or bool((tensor == tensor[:1]).all())
        }
        return cls(alike, {name: tensor for name, tensor in rows.items() if name not in alike})


class FusedLoss:
    """Computes the losses of rows."""

    def __init__(self, recipe: Recipe, bound: Bound, layout: FlatLayout, fixed: dict[str, Any]) -> None:
        self.recipe, self.bound, self.layout, self.fixed = recipe, bound, layout, fixed
        self.draws = False  # whether the loss draws random numbers
        self.layouts: list[NoiseLayout] = []  # of what it draws
        self.grad_inside = _has_rnn(bound)
        self._own = dict(bound.model.named_parameters()) | dict(bound.model.named_buffers())
        self._views_of = 0  # the address of the row that the model's parameters are views of
        self.without_mkldnn = any(isinstance(part, nn.LSTM) for part in bound.modules())

    def __call__(
        self,
        flat_MW: Tensor,
        constants: Constants,
        settings: Mapping[str, Tensor],
        batches: Sequence[Any],
        noise: list[Tensor],
    ) -> StepLosses:
        """The losses of all rows at their batches; `noise` are the states of the members' generators, and move on.

        Raises what the loss raises, ContractError for random operations that are not drawn per member.
        """
        if len(flat_MW) == 1:
            own = {name: of[0] for name, of in settings.items()}
            return self._alone(flat_MW[0], constants.alike, own, batches[0], noise)
        batch = stack(batches)
        if not self.draws:
            try:
                return self._together(flat_MW, constants, settings, batch, contextlib.nullcontext())
            except RuntimeError as error:
                if "random operation" not in str(error):
                    raise
            self.draws = True
            self.layouts = self._noise_layouts(flat_MW, constants, settings, batches[0], noise)
        drawing = RowwiseNoise(noise, flat_MW.device, self.layouts)
        return self._together(flat_MW, constants, settings, batch, drawing)

    def _alone(
        self,
        flat_W: Tensor,
        constants: Mapping[str, Tensor],
        settings: Mapping[str, Tensor],
        batch: Any,
        noise: list[Tensor],
    ) -> StepLosses:
        """One row without vmap and functional_call, which cost as much as the step of a small model.

        The model's own parameters become views of the row.
        """
        if self._views_of != flat_W.data_ptr():  # the views keep it: no other tensor has this address
            for name, view in self.layout.unflatten(flat_W).items():
                self._own[name].data = view
            for name, tensor in constants.items():
                self._own[name].data.copy_(tensor)
            self._views_of = flat_W.data_ptr()
        trained = [self._own[name] for name in self.layout.shapes]
        with drawing_from(noise, 0, flat_W.device):
            loss, metrics = self._numbers(self.recipe.loss(self.bound.model, batch, {**self.fixed, **settings}))
        found = torch.autograd.grad(loss, trained, allow_unused=True)
        parts = [torch.zeros_like(p) if part is None else part for p, part in zip(trained, found, strict=True)]
        gradient_MW = torch.cat([part.reshape(-1) for part in parts])[None]
        return StepLosses(gradient_MW, loss.detach()[None], {name: each[None] for name, each in metrics.items()})

    def _noise_layouts(
        self, flat_MW: Tensor, constants: Constants, settings: Mapping[str, Tensor], batch: Any, noise: list[Tensor]
    ) -> list[NoiseLayout]:
        """How the first row alone lays out its random numbers; its generator does not move on."""
        own = {**constants.alike, **{name: tensor[0] for name, tensor in constants.own.items()}}
        with torch.no_grad(), drawing_from(noise[:1], 0, flat_MW.device), NoiseRecorder() as recorder:
            self._one(flat_MW[0], own, {name: of[0] for name, of in settings.items()}, batch)
        layouts: list[NoiseLayout] = recorder.layouts
        return layouts

    def _together(
        self, flat_MW: Tensor, constants: Constants, settings: Mapping[str, Tensor], batch: Any, drawing: Any
    ) -> StepLosses:
        def one(flat_W: Tensor, own: Any, settings: Any, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
            return self._one(flat_W, {**constants.alike, **own}, settings, batch)

        randomness = "different" if self.draws else "error"
        with _fusable_kernels(self.without_mkldnn):
            if self.grad_inside:
                with drawing:
                    inside = vmap(grad_and_value(one, has_aux=True), randomness=randomness)
                    gradient_MW, (loss_M, metrics) = inside(flat_MW, constants.own, settings, batch)
                return StepLosses(gradient_MW, loss_M, metrics)
            # Autograd outside vmap takes a third less time for small models than `grad` inside it.
            leaf_MW = flat_MW.detach().requires_grad_()
            with drawing:
                loss_M, metrics = vmap(one, randomness=randomness)(leaf_MW, constants.own, settings, batch)
            (gradient_MW,) = torch.autograd.grad(loss_M.sum(), leaf_MW)
        return StepLosses(gradient_MW, loss_M.detach(), {name: each.detach() for name, each in metrics.items()})

    def _one(
        self, flat_W: Tensor, constants: Mapping[str, Tensor], settings: Mapping[str, Tensor], batch: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        tensors = {**constants, **self.layout.unflatten(flat_W)}
        return self._numbers(self.bound.with_tensors(tensors, self.recipe.loss, batch, {**self.fixed, **settings}))

    def _numbers(self, found: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and metrics of what the user's function returned, each of no dimension."""
        loss, metrics = found if isinstance(found, tuple) else (found, {})
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise ContractError(f"loss() must return one number as a tensor, or (loss, metrics); found {_kind(loss)}")
        numbers = {name: torch.as_tensor(each, device=loss.device).detach() for name, each in metrics.items()}
        return loss.reshape(()), {name: each.reshape(()) for name, each in numbers.items()}


def clip_(gradient_MW: Tensor, limit_M1: Tensor) -> None:
    """Scales each member's gradient in place to a norm of at most its limit, as `clip_grad_norm_` does."""
    norm_M1 = torch.linalg.vector_norm(gradient_MW, dim=1, keepdim=True)
    gradient_MW.mul_((limit_M1 / (norm_M1 + 1e-6)).clamp_max(1.0))


def stack(batches: Sequence[Any]) -> Any:
    """The batches of all members as one, [M, ...] each tensor. Raises ContractError where they differ in shape."""
    first = batches[0]
    if isinstance(first, Tensor):
        shapes = [tuple(batch.shape) for batch in batches]
        if len(set(shapes)) > 1:
            raise ContractError(
                f"batch() must return the same shapes for all members; found {min(shapes)} and {max(shapes)}: "
                "leave the last, smaller batch out, or pad"
            )
        return torch.stack(list(batches))
    if isinstance(first, Mapping):
        return {name: stack([batch[name] for batch in batches]) for name in first}
    if isinstance(first, tuple | list):
        return type(first)(stack(parts) for parts in zip(*batches, strict=True))
    raise ContractError(f"batch() must return tensors, or tuples or mappings of tensors; found {_kind(first)}")


@contextlib.contextmanager
def _fusable_kernels(without_mkldnn: bool) -> Iterator[None]:
    """Attention and LSTM of operations that vmap can batch: over their fused CPU kernels it would loop."""
    enabled = torch.backends.mkldnn.set_flags(False)[0] if without_mkldnn else None  # type: ignore[no-untyped-call]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        if enabled is not None:
            torch.backends.mkldnn.set_flags(enabled)  # type: ignore[no-untyped-call]


def _has_rnn(module: nn.Module) -> bool:
    """Whether vmap must see through a module that it has no rule for; inside `grad` it does."""
    return any(isinstance(part, nn.RNNBase) for part in module.modules())


def _kind(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
