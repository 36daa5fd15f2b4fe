"""What the members of a pack share: the module, the layout of a row, the loss of all rows and their update.

M members, W trained parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sweeper.errors import ContractError
from sweeper.fused import refusals
from sweeper.fused.layout import FlatLayout, constants, difference, state_dict
from sweeper.fused.member_rows import FusedTrial, MemberRows
from sweeper.fused.noise import drawing_from
from sweeper.fused.pack_size import MOST, best_size, shortest
from sweeper.fused.protocols import FusedMember
from sweeper.fused.recipe import Recipe
from sweeper.fused.step import Bound, Constants, FusedLoss, StepLosses, clip_


class FusedProgram:
    """Made by the first member, whose module is the template of all."""

    def __init__(self, recipe: Recipe, device: torch.device, first: FusedTrial) -> None:
        """Raises ContractError for a model that cannot be fused, and what the loss raises."""
        self.recipe, self.device = recipe, device
        template = initial_model(recipe, device, first)
        refusals.check_modules(template, device)
        self.bound, self.layout = Bound(template), FlatLayout.of(template)
        fixed = {name: first.params[name] for name in recipe.fixed}
        self.loss = FusedLoss(recipe, self.bound, self.layout, fixed)
        self.first_row = self._row(template, first)
        self.first_batch = self.batch(first, at=0)
        self._check_side_effects(copy.deepcopy(template), first)

    def row_of(self, trial: FusedTrial) -> MemberRows:
        """A member's row at its first step. Raises ValueError where its model differs in more than values."""
        model = initial_model(self.recipe, self.device, trial)
        if other := difference(self.bound.model, model):
            raise ValueError(f"{other}: a setting that shapes the model belongs into `fixed`")
        return self._row(model, trial)

    def batch(self, trial: FusedTrial, at: int | None = None) -> Any:
        """The member's next batch, or with `at` that of a step, for which its generator does not move on."""
        generator = trial.batches if at is None else torch.Generator().set_state(trial.batches.get_state())
        return to_device(self.recipe.batch(trial.params, trial.step if at is None else at, generator), self.device)

    def losses(self, rows: MemberRows, shared: Constants, batches: Sequence[Any], noise: list[Tensor]) -> StepLosses:
        """The losses of all rows; `noise` moves on.

        Raises what the loss raises for a member alone, ContractError for what only a pack cannot do.
        """

        def together() -> StepLosses:
            return self.loss(rows.flat_MW, shared, rows.settings, batches, noise)

        try:
            return together()
        except ContractError:
            raise
        except Exception as error:
            if len(rows.flat_MW) == 1:
                raise
            single = rows.select([0])
            self.loss(single.flat_MW, Constants.of(single.constants), single.settings, batches[:1], noise[:1])
            raise refusals.explain(self.bound, error, together) from error

    def update_(self, rows: MemberRows, losses: StepLosses, trials: Sequence[FusedTrial]) -> None:
        """The optimizer's step of all rows, in place; `trials` have counted it already."""
        steps, dtype = [[trial.step] for trial in trials], rows.flat_MW.dtype
        h = dict(rows.hyperparameters)
        if self.recipe.schedule is not None:
            factors = [[float(self.recipe.schedule(trial.step, trial.params))] for trial in trials]
            h["lr"] = h["lr"] * torch.tensor(factors, dtype=dtype).to(self.device)
        if "clip_norm" in h:
            clip_(losses.gradient_MW, h["clip_norm"])
        step_M1 = torch.tensor(steps, dtype=dtype).to(self.device)
        self.recipe.optimizer.update_(rows.flat_MW, losses.gradient_MW, rows.slots, step_M1, h)

    def best_size(self, trial: FusedTrial) -> int:
        """The fastest number of members, measured on copies of the first one; once per process and fixed settings."""
        key = repr(sorted(self.loss.fixed.items(), key=str))
        if key not in self.recipe.sizes:
            kind = self.device.type
            self.recipe.sizes[key] = best_size(lambda size: self._seconds(trial, size), MOST[kind])
        return self.recipe.sizes[key]

    def evaluate(self, rows: MemberRows, row: int, trial: FusedTrial) -> dict[str, float]:
        """The user's metrics of a member: in evaluation mode, without gradients, random numbers from its seed."""
        model, params = self.bound.model, copy.deepcopy(trial.params)
        modes = {part: part.training for part in model.modules()}
        states = [torch.Generator(self.device).manual_seed(trial.seed % 2**63).get_state()]
        try:
            model.eval()
            with torch.no_grad(), drawing_from(states, 0, self.device):
                return dict(self.bound.with_tensors(self._tensors(rows, row), self.recipe.evaluate, params))
        finally:
            for part, mode in modes.items():
                part.training = mode

    def state_dict(self, rows: MemberRows, row: int) -> dict[str, Tensor]:
        """A member's model as `load_state_dict` takes it, on the CPU."""
        named = state_dict(self.bound.model, self._tensors(rows, row))
        return {name: tensor.cpu().contiguous().clone() for name, tensor in named.items()}

    def _row(self, model: nn.Module, trial: FusedTrial) -> MemberRows:
        return MemberRows.first(self.recipe, self.layout.flatten(model), constants(model), trial)

    def _tensors(self, rows: MemberRows, row: int) -> dict[str, Tensor]:
        own = {name: tensor[row] for name, tensor in rows.constants.items()}
        return {**own, **self.layout.unflatten(rows.flat_MW[row])}

    def _check_side_effects(self, model: nn.Module, first: FusedTrial) -> None:
        settings = self.loss.fixed | {name: tensor[0] for name, tensor in self.first_row.settings.items()}
        with drawing_from([first.noise], 0, self.device):
            refusals.check_side_effects(model, lambda: self.recipe.loss(model, self.first_batch, settings))

    def _seconds(self, trial: FusedTrial, size: int) -> float:
        """The time of a step of so many copies of the first member."""
        rows = self.first_row.select([0] * size)
        shared, noise = Constants.of(rows.constants), [trial.noise] * size

        def step() -> None:
            losses = self.losses(rows, shared, [self.first_batch] * size, noise)
            self.update_(rows, losses, [trial] * size)
            losses.loss_M.tolist()  # waits for a GPU

        return shortest(step, self.device.type)


def try_out(recipe: Recipe, member: FusedMember, *, alone: bool) -> None:
    """The loss of a member on the CPU, by itself or as two of a pack.

    Raises ContractError for a model that cannot be fused, and what the loss raises.
    """
    trial = FusedTrial.of(recipe, member)
    program = FusedProgram(recipe, torch.device("cpu"), trial)
    rows = program.first_row.select([0] if alone else [0, 0])
    count = len(rows.flat_MW)
    program.losses(rows, Constants.of(rows.constants), [program.first_batch] * count, [trial.noise] * count)


def initial_model(recipe: Recipe, device: torch.device, trial: FusedTrial) -> nn.Module:
    """The member's module, made as after `torch.manual_seed(seed)`; its noise goes on from there."""
    states = [torch.Generator().manual_seed(trial.seed % 2**63).get_state()]
    with drawing_from(states, 0, torch.device("cpu")):
        model = recipe.model(copy.deepcopy(trial.params))
    if not isinstance(model, nn.Module):
        raise ContractError(f"model() must return an nn.Module; found {type(model).__name__}")
    if device.type != "cpu":  # another kind of generator: a stream of its own
        states = [torch.Generator(device).manual_seed(trial.seed % 2**63).get_state()]
    trial.noise = states[0]
    return model.to(device)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch, a tensor or a tuple or mapping of tensors, on a device."""
    if device.type == "cpu":
        return batch
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: to_device(part, device) for name, part in batch.items()}
    return type(batch)(to_device(part, device) for part in batch) if isinstance(batch, tuple | list) else batch
