"""A pack: trials that train as one program, from their first step to their end.

A pack of one is the same code. No member's result depends on which members share its pack.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence

import torch

from sweeper.cvae.checkpoint import save_model
from sweeper.cvae.config import shape
from sweeper.cvae.diverged import Diverged
from sweeper.cvae.evaluation.confusion import write_tables
from sweeper.cvae.evaluation.evaluate import Evaluation
from sweeper.cvae.memory.estimate import EVALUATED
from sweeper.cvae.metrics import test_metrics
from sweeper.cvae.objective import step_loss
from sweeper.cvae.stopping import Patience
from sweeper.cvae.training import batches, member_state
from sweeper.cvae.training.compiled import Loss, loss_for
from sweeper.cvae.training.member_evaluation import evaluate_rows, trained_parameters
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.pack_size import best_pack_size, fitting_members
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.protocols import PackMember, RunningMember, TrialSource
from sweeper.cvae.training.step import WATCHED, Stepper

LOOK_EVERY = {"cpu": 1, "cuda": 16}  # steps between looks at the device: on a GPU each look makes it wait
PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5  # how often the source is polled while there is capacity and no row has just become free


def train_pack(source: TrialSource) -> None:
    """Trains members as one program until none is left and the source has no more.

    Members need not begin together. A member with bad settings or a loss that is not finite fails alone. Where a GPU's
    memory does not suffice, half of the members are given back to the source.
    Raises torch.cuda.OutOfMemoryError if one member alone does not fit.
    """
    pack = TrainingPack(source)
    pack.pull()
    while pack.members:
        try:
            pack.step()
            pack.progress()
            pack.fail_diverged()
            pack.report()
            pack.checkpoint()
        except torch.cuda.OutOfMemoryError:
            if len(pack.members) < 2:
                raise
            pack.halve()
        pack.compact()
        pack.pull()


class TrainingPack:
    """Members in training: ``running[i]`` is row i of ``state``, None where the row is free.

    The first member decides the program, and the size where the source gives none: the fastest.
    """

    def __init__(self, source: TrialSource) -> None:
        self.source, self.size = source, source.size
        self.running: list[RunningMember | None] = []
        self.shape = ""
        self._program: Program | None = None
        self._state: BatchedState | None = None
        self._stepper: Stepper | None = None  # None once the state has other rows
        self._losses: dict[int, Loss] = {}
        self._progressed_at = 0.0
        self._pulled, self._polled_at = 0, 0.0  # members after the last poll of the source, and when that was

    @property
    def members(self) -> dict[int, RunningMember]:
        """The members in training, by row."""
        return {row: one for row, one in enumerate(self.running) if one is not None}

    @property
    def capacity(self) -> int:
        """How many more members it takes."""
        return max(0, (self.size or 1) - len(self.members))

    @property
    def program(self) -> Program:
        """What all members share; the first member makes it."""
        assert self._program is not None
        return self._program

    @property
    def state(self) -> BatchedState:
        """The rows of all members; there are some while there are members."""
        assert self._state is not None
        return self._state

    @property
    def stepper(self) -> Stepper:
        """Takes the steps of the present rows. The loss is compiled for the first number of rows alone."""
        if self._stepper is None:
            count = len(self.state)
            if not self._losses:
                config = next(iter(self.members.values())).config
                self._losses[count] = loss_for(self.program, config, self.shape, count)
            self._stepper = Stepper(self.program, self.state, self._losses.get(count, step_loss))
        return self._stepper

    def step(self) -> None:
        """Takes as many steps as can pass before a report, the end of a chunk or a look at the device."""
        length = batches.length(self.program)
        steps = min(min(one.steps_to_report, length - one.step % length) for one in self.members.values())
        steps = min(steps, LOOK_EVERY[self.program.device.type])
        self.stepper.run(steps)
        for one in self.members.values():
            one.step += steps
        self._load_chunks([row for row, one in self.members.items() if steps and one.step % length == 0])

    def progress(self) -> None:
        """Now and then what step each member has made: reports may be minutes apart."""
        if time.monotonic() > self._progressed_at + PROGRESS_EVERY_S:
            self._progressed_at = time.monotonic()
            for one in self.members.values():
                one.member.progress(one.step)

    def fail_diverged(self) -> None:
        """Ends the members whose numbers are no longer finite; the others go on unchanged."""
        steps, terms = torch.stack([self.state.bad_M, self.state.term_M]).tolist()
        for row, one in self.members.items():
            if steps[row] >= 0:
                one.member.fail(Diverged(steps[row], WATCHED[terms[row]], one.metrics))
                self.running[row] = None

    def report(self) -> None:
        """Evaluates the members whose report is due; those that are pruned, diverged or done leave."""
        group = EVALUATED[self.program.device.type]
        due = [row for row, one in self.members.items() if one.report_due]
        for start in range(0, len(due), group):
            rows = due[start : start + group]
            members = [self.members[row] for row in rows]
            evaluations = evaluate_rows(self.program, self.state, rows, members)
            self._test_at_the_end(rows, members, evaluations)
            for row, one, evaluation in zip(rows, members, evaluations, strict=True):
                if not self._goes_on(row, one, evaluation):
                    self.running[row] = None

    def _test_at_the_end(self, rows: list[int], members: list[RunningMember], evaluations: list[Evaluation]) -> None:
        """Adds the metrics on the final test split of the members that end here, where the task has one."""
        ending = [i for i, one in enumerate(members) if one.ends_with(evaluations[i].metrics)]
        if self.program.final is not None and ending:
            theirs = [rows[i] for i in ending], [members[i] for i in ending]
            for i, tested in zip(
                ending, evaluate_rows(self.program, self.state, *theirs, self.program.final), strict=True
            ):
                evaluations[i].metrics.update(test_metrics(tested.metrics))

    def checkpoint(self) -> None:
        """Saves the members whose checkpoint is due; those that must stop there leave."""
        for row, one in self.members.items():
            store = one.member.checkpoint
            if store is not None and store.is_due() and not self._save(row, one):
                self.running[row] = None

    def compact(self) -> None:
        """Removes free rows: at once on a CPU, by halves on a GPU, where another number of rows takes a new graph."""
        rows = list(self.members)
        free = len(self.running) - len(rows)
        if not rows:
            self.running, self._state, self._stepper = [], None, None
        elif free and (self.program.device.type == "cpu" or free >= len(rows)):
            self._keep(rows)

    def pull(self) -> None:
        """Takes members from the source if a row has become free, and now and then while there is capacity."""
        is_due = len(self.members) < max(1, self._pulled) or time.monotonic() > self._polled_at + POLL_EVERY_S
        while is_due and self.capacity:
            wanted = self.capacity
            pulled = list(self.source.join(wanted))
            self.admit(pulled)
            self._pulled, self._polled_at = len(self.members), time.monotonic()
            is_due = len(pulled) == wanted or bool(pulled and not self.members)  # some had bad settings, or it grew

    def admit(self, members: Iterable[PackMember]) -> None:
        """Gives members rows, at their first step or where their checkpoints left them; bad settings fail alone."""
        started = []
        for member in members:
            try:
                running = RunningMember.of(member)
                self._check_fits(running)
            except ValueError as error:
                member.fail(error)
            else:
                started.append((running, self._first_state(running)))
        free = [row for row, one in enumerate(self.running) if one is None][: len(started)]
        for row, (running, one) in zip(free, started, strict=False):
            self.running[row] = running
            self.state.set_row(row, one)
        first, added = len(self.running), started[len(free) :]
        if added:
            present = [] if self._state is None else [self._state]
            self._state, self._stepper = member_state.cat([*present, *(one for _, one in added)]), None
            self.running += [running for running, _ in added]
        self._load_chunks([*free, *range(first, len(self.running))])

    def halve(self) -> None:
        """Gives the later half back to the source, saved as they are; for when memory does not suffice."""
        steps = self.state.step_M.tolist()
        for row, one in self.members.items():
            one.step = steps[row]
        rows = list(self.members)
        self.size = len(rows) // 2
        leaving = {row: self.members[row] for row in rows[self.size :]}
        for row, one in leaving.items():
            self._save(row, one)
        self._keep(rows[: self.size])
        torch.cuda.empty_cache()
        self._load_chunks(list(self.members))
        self.source.give_back([one.member for one in leaving.values()])

    def _check_fits(self, running: RunningMember) -> None:
        """Raises ValueError unless the member can be part of this program; the first one makes it."""
        its = shape(running.member.params)
        if self._program is None:
            fitting = fitting_members(running.config, self.size)
            self._program, self.shape = Program.of(running.config), its
            self.size = min(fitting, self.size or best_pack_size(self._program, running.config, its, fitting))
        elif its != self.shape:
            raise ValueError(f"a pack of {self.shape or 'the defaults'} cannot take {its or 'the defaults'}")

    def _first_state(self, running: RunningMember) -> BatchedState:
        store = running.member.checkpoint
        saved = None if store is None else store.load()
        if saved is not None:
            running.step = running.reported = saved[1]["step"]
            running.metrics = dict(saved[1]["metrics"])
            running.patience = Patience(*saved[1].get("patience", ()))
        return member_state.member(self.program, running.config, running.seed, saved and saved[0])

    def _keep(self, rows: Sequence[int]) -> None:
        """Removes all other rows."""
        self._state, self._stepper = self.state.select(rows), None
        self.running = [self.running[row] for row in rows]

    def _load_chunks(self, rows: Sequence[int]) -> None:
        """Loads what the next steps of the members need."""
        positions = {row: self.members[row].position for row in rows if not self.members[row].is_last_step}
        if positions:
            member_state.load_chunk(self.program, self.state, positions)

    def _goes_on(self, row: int, one: RunningMember, evaluation: Evaluation) -> bool:
        """Reports a member's metrics; False if it ends with them."""
        broken = next((name for name, value in evaluation.metrics.items() if not math.isfinite(value)), None)
        if broken is not None:
            one.member.fail(Diverged(one.step, broken, one.metrics))
            return False
        ends, one.patience = one.ends_with(evaluation.metrics), one.patience_after(evaluation.metrics)
        one.metrics, one.reported = evaluation.metrics, one.step
        if not one.member.report(one.step, dict(one.metrics)):
            return False
        if ends:
            self._finish(row, one, evaluation)
            return False
        return True

    def _finish(self, row: int, one: RunningMember, evaluation: Evaluation) -> None:
        """Leaves the tables and the model in the member's folder, then declares it done."""
        if one.member.directory is not None:
            write_tables(one.member.directory, self.program.task.strategies, evaluation)
            weights = trained_parameters(self.program, self.state.flat_MW[[row]], [one])
            save_model(one.member.directory, {name: stacked[0] for name, stacked in weights.items()})
        one.member.finish(dict(one.metrics))

    def _save(self, row: int, one: RunningMember) -> bool:
        """Saves a member where it has a store; False if it must stop here."""
        store = one.member.checkpoint
        data = {"step": one.step, "metrics": one.metrics, "patience": list(one.patience)}
        return store is not None and store.save(one.step, self.state.saved(row), data)
