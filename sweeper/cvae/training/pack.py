"""The members of a pack from their first step to their end: joining, training together, reporting, leaving.

A pack of one is the same code. Who shares a pack with whom changes no member's course.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable

import torch
from torch import Tensor

from sweeper.cvae.checkpoint import save_model
from sweeper.cvae.config import CVAEConfig, shape
from sweeper.cvae.diverged import Diverged
from sweeper.cvae.evaluation.confusion import write_tables
from sweeper.cvae.evaluation.evaluate import Evaluation, evaluate
from sweeper.cvae.networks.model import with_parameters
from sweeper.cvae.objective import LossWeights, step_loss
from sweeper.cvae.stopping import is_reached
from sweeper.cvae.training import batches
from sweeper.cvae.training import member_state as stack
from sweeper.cvae.training.baseline import BaselineKey, baselines
from sweeper.cvae.training.compiled import Loss, loss_for
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.pack_size import size_that_pays
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.protocols import PackMember, RunningMember, TrialSource
from sweeper.cvae.training.schedules import HYPERPARAMETERS, hyperparameters, learning_rate
from sweeper.cvae.training.step import WATCHED, Stepper

LOOK_EVERY = {"cpu": 1, "cuda": 16}  # steps between looks at the device: on a GPU each look makes it wait
ASK_AGAIN_S = 0.5  # between questions whether somebody wants a row that nobody just left
EVALUATED = {"cpu": 1, "cuda": 64}  # members evaluated at once: on a CPU one fills the cache


def train_pack(slots: TrialSource) -> None:
    """Trains members as one program until none is left and none joins.

    Members need not begin together. One whose settings are bad or whose loss is not finite fails alone. Where a GPU's
    memory does not suffice, half of them are given back.
    """
    pack, joining, asked = TrainingPack(slots.size), list(slots.join(slots.size or 1)), time.monotonic()
    if joining and slots.size is None:
        joining += slots.join(pack.measure(joining[0]) - 1)
    while joining or pack.members:
        pack.admit(joining)
        before, joining = len(pack.members), []
        try:
            pack.train()
        except torch.cuda.OutOfMemoryError:
            if len(pack.members) < 2:
                raise
            slots.give_back(pack.halve())
            continue
        if pack.room and (len(pack.members) < max(1, before) or time.monotonic() > asked + ASK_AGAIN_S):
            joining, asked = list(slots.join(pack.room)), time.monotonic()


class TrainingPack:
    """Members in training: ``running[i]`` is row i of ``stack``, None where the row is free.

    The first member makes the program. ``size`` None: as many as pay, by measurement.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size, self.shape = size, ""
        self.program: Program | None = None
        self.running: list[RunningMember | None] = []
        self.losses: dict[int, Loss] = {}
        self.stepper: Stepper | None = None

    @property
    def members(self) -> dict[int, RunningMember]:
        """Who is in training, by row."""
        return {row: one for row, one in enumerate(self.running) if one is not None}

    @property
    def room(self) -> int:
        """How many more members may join."""
        return max(0, (self.size or 1) - len(self.members))

    def measure(self, member: PackMember) -> int:
        """How many members like this one pay; 1 if it is none that can be trained."""
        with contextlib.suppress(ValueError):
            self._fit(RunningMember.of(member))
        return self.size or 1

    def admit(self, members: Iterable[PackMember]) -> None:
        """Takes members in at their first steps, or where their checkpoints left them; bad settings fail alone."""
        started = []
        for member in members:
            try:
                running = RunningMember.of(member)
                self._fit(running)
            except ValueError as error:
                member.fail(error)
            else:
                started.append((running, self._begin(running)))
        free = [row for row, one in enumerate(self.running) if one is None]
        for row, (running, one) in zip(free, started, strict=False):
            self.running[row] = running
            self.stack.put(row, one)
        added = started[len(free) :]
        if added:
            stacks = [self.stack] if self.stepper is not None else []
            self._restack(stack.joined([*stacks, *(one for _, one in added)]), added[0][0].config)
            self.running += [running for running, _ in added]
        new = {id(running) for running, _ in started}
        self._go_on(row for row, one in self.members.items() if id(one) in new)

    def _fit(self, running: RunningMember) -> None:
        """Raises ValueError unless the member can be part of this program; the first one makes it."""
        its = shape(running.member.params)
        if self.program is None:
            self.program, self.shape = Program.of(running.config), its
            self.size = self.size or size_that_pays(self.program, running.config, its)
        elif its != self.shape:
            raise ValueError(f"a pack of {self.shape or 'the defaults'} cannot take {its or 'the defaults'}")

    def _begin(self, running: RunningMember) -> BatchedState:
        assert self.program is not None
        kept = running.member.checkpoint
        found = kept.load() if kept is not None else None
        if found is not None:
            running.step = running.reported = found[1]["step"]
            running.metrics = dict(found[1]["metrics"])
        return stack.member(self.program, running.config, running.seed, found and found[0])

    @property
    def stack(self) -> BatchedState:
        """The rows of all members."""
        assert self.stepper is not None
        return self.stepper.stack

    def _restack(self, members: BatchedState, config: CVAEConfig) -> None:
        """Begins with other rows; the loss is compiled for the first number of them alone."""
        assert self.program is not None
        if not self.losses:
            self.losses[len(members)] = loss_for(self.program, config, self.shape, len(members))
        self.stepper = Stepper(self.program, members, self.losses.get(len(members), step_loss))

    def train(self) -> None:
        """As many steps as nothing needs to be done about any member, then what needs to be done."""
        if self.program is None or self.stepper is None:
            return
        chunk = batches.length(self.program)
        steps = min(min(one.steps_to_report(), chunk - one.step % chunk) for one in self.members.values())
        steps = min(steps, LOOK_EVERY[self.program.device.type])
        self.stepper.run(steps)
        for one in self.members.values():
            one.step += steps
        self._go_on({row for row, one in self.members.items() if steps and one.step % chunk == 0})
        self._drop(self._diverged())
        due = [row for row, one in self.members.items() if one.owes_a_report]
        for start in range(0, len(due), EVALUATED[self.program.device.type]):
            self._drop(self._reported(due[start : start + EVALUATED[self.program.device.type]]))
        self._drop(row for row in self.members if not self._saved(row))
        self._close_ranks()

    def _go_on(self, rows: Iterable[int]) -> None:
        """Gives members what their next steps need."""
        places = {row: self.members[row].place for row in rows if not self.members[row].is_last_step}
        if places:
            assert self.program is not None
            stack.load_chunk(self.program, self.stack, places)

    def halve(self) -> list[PackMember]:
        """Lets the later half go, saving what they have; for when memory does not suffice."""
        steps = self.stack.step_M.tolist()
        for row, one in self.members.items():
            one.step = steps[row]
        rows = list(self.members)
        self.size = len(rows) // 2
        leaving = {row: self.members[row].member for row in rows[self.size :]}
        for row in leaving:
            self._save(row)
        self._drop(leaving)
        self._restack(self.stack.select(rows[: self.size]), self.members[rows[0]].config)
        self.running = [self.running[row] for row in rows[: self.size]]
        torch.cuda.empty_cache()
        self._go_on(self.members)
        return list(leaving.values())

    def _drop(self, rows: Iterable[int]) -> None:
        for row in list(rows):
            self.running[row] = None

    def _close_ranks(self) -> None:
        """Gives back the rows of those who left: at once on a CPU, by halves on a GPU, where it takes a new graph."""
        rows = list(self.members)
        if not rows or self.stepper is None:
            self.running, self.stepper = [], None
        elif len(rows) < len(self.running) and (not self.stepper.records or 2 * len(rows) <= len(self.running)):
            self._restack(self.stack.select(rows), self.members[rows[0]].config)
            self.running = [self.running[row] for row in rows]

    def _diverged(self) -> list[int]:
        """Who has left the finite numbers since the last look; the others do not notice."""
        steps, terms = torch.stack([self.stack.bad_M, self.stack.term_M]).tolist()
        rows = [row for row in self.members if steps[row] >= 0]
        for row in rows:
            one = self.members[row]
            one.member.fail(Diverged(steps[row], WATCHED[terms[row]], one.metrics))
        return rows

    def _reported(self, rows: list[int]) -> list[int]:
        """Evaluates the members of ``rows`` together and reports for each; returns those that ended by it."""
        assert self.program is not None
        members = [self.members[row] for row in rows]
        ended = []
        for row, one, evaluation in zip(
            rows, members, evaluate_rows(self.program, self.stack, rows, members), strict=True
        ):
            wrong = next((name for name, value in evaluation.metrics.items() if not math.isfinite(value)), None)
            if wrong is not None:
                one.member.fail(Diverged(one.step, wrong, one.metrics))
                ended.append(row)
                continue
            one.metrics, one.reported = evaluation.metrics, one.step
            if not one.member.report(one.step, dict(one.metrics)):
                ended.append(row)
            elif one.is_last_step or is_reached(one.config.train.stop_when, one.metrics):
                self._conclude(row, one, evaluation)
                ended.append(row)
        return ended

    def _conclude(self, row: int, one: RunningMember, evaluation: Evaluation) -> None:
        """Leaves the tables and the model in the member's folder, then declares it done."""
        assert self.program is not None
        if one.member.directory is not None:
            write_tables(one.member.directory, self.program.task.strategies, evaluation)
            weights = trained_parameters(self.program, self.stack.flat_MW[[row]], [one])
            save_model(one.member.directory, {name: stacked[0] for name, stacked in weights.items()})
        one.member.finish(dict(one.metrics))

    def _saved(self, row: int) -> bool:
        """False if the member is to stop here: its checkpoint, if one is due, says so."""
        kept = self.members[row].member.checkpoint
        return kept is None or not kept.is_due() or self._save(row)

    def _save(self, row: int) -> bool:
        one = self.members[row]
        kept = one.member.checkpoint
        return kept is not None and kept.save(
            one.step, self.stack.saved(row), {"step": one.step, "metrics": one.metrics}
        )


def trained_parameters(program: Program, flat_MW: Tensor, running: list[RunningMember]) -> dict[str, Tensor]:
    """All parameters of some members at their present step, their baselines' included, by name, [M, ...] each."""
    followed = [(BaselineKey.of(one.config, one.seed), one.step) for one in running]
    theirs_MW = baselines(program).parameters(followed)
    return program.layout.unflatten(flat_MW) | program.baseline_layout.unflatten(theirs_MW)


def evaluate_rows(
    program: Program, members: BatchedState, rows: list[int], running: list[RunningMember]
) -> list[Evaluation]:
    """The metrics of some members at their present step, those of the optimiser included."""
    values_MX = torch.tensor([hyperparameters(one.config, [one.step]) for one in running], device=program.device)[
        ..., 0
    ]
    weights = LossWeights.of(dict(zip(HYPERPARAMETERS, values_MX.unbind(1), strict=True)))
    weights = weights._replace(token_weight_warmup=torch.ones_like(weights.token_weight_warmup))
    model = with_parameters(program.model, trained_parameters(program, members.flat_MW[rows], running))
    evaluations = evaluate(model, program.split, weights, program.per_token)
    norms, commits = torch.stack([members.norm_M[rows].double(), members.commit_M[rows].double()]).tolist()
    for evaluation, one, norm, commit in zip(evaluations, running, norms, commits, strict=True):
        evaluation.metrics["diagnostics/commit_step"] = commit
        evaluation.metrics["diagnostics/learning_rate"] = learning_rate(one.config.train, one.step)
        evaluation.metrics["diagnostics/gradient_norm"] = norm
    return evaluations
