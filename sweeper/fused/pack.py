"""A pack of a fused trainer: members that train as one program, from their first step to their end.

A member's batches, noise, hyperparameters and checkpoints are its own: which members share its pack changes the
rounding of its numbers and nothing else. M members.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sweeper.errors import ContractError
from sweeper.fused import refusals
from sweeper.fused.layout import FlatLayout, constants, difference, state_dict
from sweeper.fused.member_rows import FusedTrial, MemberRows
from sweeper.fused.noise import drawing_from
from sweeper.fused.protocols import FusedMember, MemberSource
from sweeper.fused.recipe import Recipe
from sweeper.fused.step import Bound, Constants, FusedLoss, StepLosses, clip_

POLL_EVERY_S = 0.5  # how often the source is polled while there is capacity and no member has just left
LOOK_EVERY = {"cpu": 1, "cuda": 16}  # steps between looks for losses that are not finite: each makes a GPU wait
DEFAULT_SIZE = {"cpu": 8, "cuda": 64}


def train_pack(recipe: Recipe, source: MemberSource) -> None:
    """Trains members as one program until none is left and the source has no more.

    A member with bad settings, or a loss that is not finite, fails alone. Raises what the loss raises, and
    ContractError for a model that cannot be fused.
    """
    pack = FusedPack(recipe, source)
    pack.pull()
    while pack.trials:
        pack.step()
        pack.report()
        pack.checkpoint()
        pack.compact()
        pack.pull()


class FusedPack:
    """Members in training: `trials[i]` is row i of `rows`. The first member makes the program."""

    def __init__(self, recipe: Recipe, source: MemberSource) -> None:
        self.recipe, self.source, self.size = recipe, source, source.size
        self.device = _device(recipe.device)
        self.trials: list[FusedTrial] = []
        self.gone: set[int] = set()  # rows of members that left since the last `compact`
        self.losses: StepLosses | None = None  # of the last step
        self.steps_taken = 0
        self._rows: MemberRows | None = None
        self._constants: Constants | None = None  # None once the rows are others
        self._program: tuple[Bound, FlatLayout, FusedLoss] | None = None
        self._pulled, self._polled_at = 0, 0.0

    @property
    def rows(self) -> MemberRows:
        """The rows of all members; there are some while there are members."""
        assert self._rows is not None
        return self._rows

    @property
    def program(self) -> tuple[Bound, FlatLayout, FusedLoss]:
        """The first member's module, its layout and the loss of all; made when the first one is admitted."""
        assert self._program is not None
        return self._program

    def step(self) -> None:
        """One step of all members; those whose loss is not finite fail, the others are not touched by it."""
        self.losses = losses = self._losses()
        for trial in self.trials:
            trial.step += 1
        rows, dtype = self.rows, self.rows.flat_MW.dtype
        step_M1 = torch.tensor([[trial.step] for trial in self.trials], dtype=dtype).to(self.device)
        hyperparameters = dict(rows.hyperparameters)
        if self.recipe.schedule is not None:
            factors = [[float(self.recipe.schedule(trial.step, trial.params))] for trial in self.trials]
            hyperparameters["lr"] = hyperparameters["lr"] * torch.tensor(factors, dtype=dtype).to(self.device)
        if "clip_norm" in hyperparameters:
            clip_(losses.gradient_MW, hyperparameters["clip_norm"])
        self.recipe.optimizer.update_(rows.flat_MW, losses.gradient_MW, rows.slots, step_M1, hyperparameters)
        self.steps_taken += 1
        if self.steps_taken % LOOK_EVERY[self.device.type] == 0 or any(trial.report_due for trial in self.trials):
            self._fail_diverged(losses.loss_M.tolist())

    def report(self) -> None:
        """Reports of the members whose step has one; those that are pruned, cancelled or done leave."""
        for row, trial in enumerate(self.trials):
            if row not in self.gone and trial.report_due and not self._goes_on(row, trial):
                self.gone.add(row)

    def checkpoint(self) -> None:
        """Saves the members whose checkpoint is due; those that must stop there leave."""
        for row, trial in enumerate(self.trials):
            store = trial.member.checkpoint
            if row in self.gone or store is None or not store.is_due():
                continue
            tensors = {"generator.batches": trial.batches.get_state(), "generator.noise": trial.noise}
            data = {"step": trial.step, "metrics": trial.metrics}
            if not store.save(trial.step, {**self.rows.saved(row), **tensors}, data):
                self.gone.add(row)

    def compact(self) -> None:
        """Removes the rows of members that left."""
        if self.gone:
            rows = [row for row in range(len(self.trials)) if row not in self.gone]
            self.trials, self.gone, self._constants = [self.trials[row] for row in rows], set(), None
            self._rows = self.rows.select(rows) if rows else None

    def pull(self) -> None:
        """Takes members from the source when some have left, and now and then while there is capacity."""
        is_due = len(self.trials) < max(1, self._pulled) or time.monotonic() > self._polled_at + POLL_EVERY_S
        while is_due and (wanted := max(0, (self.size or 1) - len(self.trials))):
            pulled = list(self.source.join(wanted))
            self.admit(pulled)
            self._pulled, self._polled_at = len(self.trials), time.monotonic()
            is_due = len(pulled) == wanted or bool(pulled and not self.trials)  # some had bad settings, or it grew

    def admit(self, members: Iterable[FusedMember]) -> None:
        """Gives members rows, at their first step or where their checkpoints left them; bad settings fail alone."""
        for member in members:
            try:
                trial = FusedTrial.of(self.recipe, member)
                row = self._first_row(trial)
            except (ValueError, ContractError) as error:
                member.fail(error)
                continue
            self._rows = row if self._rows is None else self._rows.joined(row)
            self.trials.append(trial)
            self._constants = None

    def _first_row(self, trial: FusedTrial) -> MemberRows:
        """A member's row. Raises ValueError where it does not fit the pack, ContractError where the model fits none."""
        model = self._initial(trial)
        if self._program is None:
            self._make_program(model, trial)
        bound, layout, _ = self.program
        if other := difference(bound.model, model):
            raise ValueError(f"{other}: a setting that shapes the model belongs into `fixed`")
        row = MemberRows.first(self.recipe, layout.flatten(model), constants(model), trial)
        if model is bound.model:
            self._try(copy.deepcopy(model), row, trial)
        store = trial.member.checkpoint
        if saved := store.load() if store is not None else None:
            tensors, data = saved
            row.restore(tensors)
            trial.batches.set_state(tensors["generator.batches"])
            trial.noise = tensors["generator.noise"]
            trial.step, trial.metrics = int(data["step"]), dict(data["metrics"])
        return row

    def _initial(self, trial: FusedTrial) -> nn.Module:
        """The member's module, made as after `torch.manual_seed(seed)`; its noise goes on from there."""
        states = [trial.noise]
        with drawing_from(states, 0, torch.device("cpu")):
            model = self.recipe.model(copy.deepcopy(trial.params))
        if not isinstance(model, nn.Module):
            raise ContractError(f"model() must return an nn.Module; found {type(model).__name__}")
        if self.device.type == "cpu":
            trial.noise = states[0]
        else:  # another kind of generator: a stream of its own
            trial.noise = torch.Generator(self.device).manual_seed(trial.seed % 2**63).get_state()
        return model.to(self.device)

    def _make_program(self, model: nn.Module, trial: FusedTrial) -> None:
        refusals.check_modules(model, self.device)
        bound, layout = Bound(model), FlatLayout.of(model)
        fixed = {name: trial.params[name] for name in self.recipe.fixed}
        self._program = bound, layout, FusedLoss(self.recipe, bound, layout, fixed)
        self.size = self.size or DEFAULT_SIZE[self.device.type]

    def _try(self, model: nn.Module, row: MemberRows, trial: FusedTrial) -> None:
        """Calls the loss of the first member on a copy of everything: what it changes is refused."""
        generator = torch.Generator()
        generator.set_state(trial.batches.get_state())
        batch = to_device(self.recipe.batch(trial.params, 0, generator), self.device)
        settings = self.program[2].fixed | {name: tensor[0] for name, tensor in row.settings.items()}
        with drawing_from([trial.noise], 0, self.device):
            refusals.check_side_effects(model, lambda: self.recipe.loss(model, batch, settings))

    def _losses(self) -> StepLosses:
        """The losses of all rows. Raises what the loss raises for a member alone, ContractError for a pack only."""
        bound, _, fused = self.program
        batches = [
            to_device(self.recipe.batch(trial.params, trial.step, trial.batches), self.device) for trial in self.trials
        ]
        rows = self.rows
        if self._constants is None:
            self._constants = Constants.of(rows.constants)
        found, noise = self._constants, [trial.noise for trial in self.trials]

        def together() -> StepLosses:
            return fused(rows.flat_MW, found, rows.settings, batches, noise)

        try:
            losses = together()
        except ContractError:
            raise
        except Exception as error:
            if len(self.trials) == 1:
                raise
            single = MemberRows.select(rows, [0])
            fused(single.flat_MW, Constants.of(single.constants), single.settings, batches[:1], noise[:1])
            raise refusals.explain(bound, error, together) from error
        for trial, state in zip(self.trials, noise, strict=True):
            trial.noise = state
        return losses

    def _fail_diverged(self, losses: Sequence[float]) -> None:
        for row, (trial, loss) in enumerate(zip(self.trials, losses, strict=True)):
            if row not in self.gone and not math.isfinite(loss):
                error = FloatingPointError(f"the loss is {loss} at step {trial.step}")
                error.last_finite_metrics = trial.metrics  # type: ignore[attr-defined]
                trial.member.fail(error)
                self.gone.add(row)

    def _goes_on(self, row: int, trial: FusedTrial) -> bool:
        """Reports a member's metrics; False if it ends with them."""
        assert self.losses is not None
        metrics = {"loss": float(self.losses.loss_M[row])}
        metrics |= {name: float(values_M[row]) for name, values_M in self.losses.metrics.items()}
        if self.recipe.evaluate is not None:
            metrics |= self._evaluate(row, trial)
        if not trial.member.report(trial.step, metrics):
            return False
        trial.metrics = metrics
        if trial.is_last_step:
            self._finish(row, trial)
        return not trial.is_last_step

    def _evaluate(self, row: int, trial: FusedTrial) -> dict[str, float]:
        """The user's metrics of a member: in evaluation mode, without gradients, random numbers from its seed."""
        bound, model = self.program[0], self.program[0].model
        modes = {part: part.training for part in model.modules()}
        states = [torch.Generator(self.device).manual_seed(trial.seed % 2**63).get_state()]
        try:
            model.eval()
            with torch.no_grad(), drawing_from(states, 0, self.device):
                return dict(bound.with_tensors(self._tensors(row), self.recipe.evaluate, copy.deepcopy(trial.params)))
        finally:
            for part, mode in modes.items():
                part.training = mode

    def _finish(self, row: int, trial: FusedTrial) -> None:
        """Leaves the model in the member's folder, then declares it done."""
        if trial.member.directory is not None:
            from safetensors.torch import save_file

            trained = state_dict(self.program[0].model, self._tensors(row))
            path = trial.member.directory / "model.safetensors"
            save_file({name: tensor.cpu().contiguous().clone() for name, tensor in trained.items()}, path)
        trial.member.finish(trial.metrics)

    def _tensors(self, row: int) -> dict[str, Tensor]:
        own = {name: tensor[row] for name, tensor in self.rows.constants.items()}
        return {**own, **self.program[1].unflatten(self.rows.flat_MW[row])}


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch, a tensor or a tuple or mapping of tensors, on a device."""
    if device.type == "cpu":
        return batch
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: to_device(part, device) for name, part in batch.items()}
    return type(batch)(to_device(part, device) for part in batch) if isinstance(batch, tuple | list) else batch


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ContractError("device: found 'cuda', allowed: auto or cpu, there is no GPU that torch can use here")
    return torch.device(name)
