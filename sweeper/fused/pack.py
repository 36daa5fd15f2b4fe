"""A pack of a fused trainer: members that train as one program, from their first step to their end.

A member's batches, noise, hyperparameters and checkpoints are its own: which members share its pack changes the
rounding of its numbers and nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence

import torch

from sweeper.errors import ContractError
from sweeper.fused.member_rows import FusedTrial, MemberRows
from sweeper.fused.program import FusedProgram
from sweeper.fused.protocols import FusedMember, MemberSource
from sweeper.fused.recipe import Recipe
from sweeper.fused.step import Constants, StepLosses

PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5  # how often the source is polled while there is capacity and no member has just left
LOOK_EVERY = {"cpu": 1, "cuda": 16}  # steps between looks for losses that are not finite: each makes a GPU wait


def train_pack(recipe: Recipe, source: MemberSource) -> None:
    """Trains members as one program until none is left and the source has no more.

    A member with bad settings, or a loss that is not finite, fails alone. Raises what the loss raises, and
    ContractError for a model that cannot be fused.
    """
    pack = FusedPack(recipe, source)
    pack.pull()
    while pack.trials:
        pack.step()
        pack.progress()
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
        self._program: FusedProgram | None = None
        self._progressed_at = 0.0
        self._pulled, self._polled_at = 0, 0.0

    @property
    def rows(self) -> MemberRows:
        """The rows of all members; there are some while there are members."""
        assert self._rows is not None
        return self._rows

    @property
    def program(self) -> FusedProgram:
        """What all members share; the first one makes it."""
        assert self._program is not None
        return self._program

    def step(self) -> None:
        """One step of all members; those whose loss is not finite fail, the others are not touched by it."""
        batches, noise = [self.program.batch(trial) for trial in self.trials], [trial.noise for trial in self.trials]
        if self._constants is None:
            self._constants = Constants.of(self.rows.constants)
        self.losses = losses = self.program.losses(self.rows, self._constants, batches, noise)
        for trial, state in zip(self.trials, noise, strict=True):
            trial.step, trial.noise = trial.step + 1, state
        self.program.update_(self.rows, losses, self.trials)
        self.steps_taken += 1
        if self.steps_taken % LOOK_EVERY[self.device.type] == 0 or any(trial.report_due for trial in self.trials):
            self._fail_diverged(losses.loss_M.tolist())

    def progress(self) -> None:
        """Now and then what step each member has made: reports may be minutes apart."""
        if time.monotonic() > self._progressed_at + PROGRESS_EVERY_S:
            self._progressed_at = time.monotonic()
            for row, trial in enumerate(self.trials):
                if row not in self.gone:
                    trial.member.progress(trial.step)

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
            tensors, data = trial.saved()
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
            except ValueError as error:
                member.fail(error)
                continue
            self._rows = row if self._rows is None else self._rows.joined(row)
            self.trials.append(trial)
            self._constants = None

    def _first_row(self, trial: FusedTrial) -> MemberRows:
        """A member's row. Raises ValueError where it does not fit the pack, ContractError where the model fits none."""
        if self._program is None:
            self._program = FusedProgram(self.recipe, self.device, trial)
            self.size = self.size or self._program.best_size(trial)
        row = self._program.row_of(trial)
        store = trial.member.checkpoint
        if saved := store.load() if store is not None else None:
            row.restore(saved[0])
            trial.restore(*saved)
        return row

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
            metrics |= self.program.evaluate(self.rows, row, trial)
        if not trial.member.report(trial.step, metrics):
            return False
        trial.metrics = {name: float(value) for name, value in metrics.items()}  # a checkpoint holds no tensors there
        if trial.is_last_step:
            self._finish(row, trial)
        return not trial.is_last_step

    def _finish(self, row: int, trial: FusedTrial) -> None:
        """Leaves the model in the member's folder, then declares it done."""
        if trial.member.directory is not None:
            from safetensors.torch import save_file

            save_file(self.program.state_dict(self.rows, row), trial.member.directory / "model.safetensors")
        trial.member.finish(trial.metrics)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ContractError("device: found 'cuda', allowed: auto or cpu, there is no GPU that torch can use here")
    return torch.device(name)
