"""The members of a pack from their first step to their end: joining, training together, reporting, leaving.

A pack of one is the same code. Who shares a pack with whom changes no member's course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from sweeper.cvae import course, stack
from sweeper.cvae.checkpoint import save_model
from sweeper.cvae.config import CVAEConfig, build, shape
from sweeper.cvae.confusion import write_tables
from sweeper.cvae.diverged import Diverged
from sweeper.cvae.evaluate import Evaluation, evaluate
from sweeper.cvae.model import with_parameters
from sweeper.cvae.objective import LossWeights
from sweeper.cvae.program import Program
from sweeper.cvae.slots import Member, Slots
from sweeper.cvae.stack import Stack
from sweeper.cvae.step import WATCHED, advance
from sweeper.cvae.stopping import is_reached

LOOK_EVERY = {"cpu": 1, "cuda": 16}  # steps between looks at the device: on a GPU each look makes it wait


def train_pack(slots: Slots) -> None:
    """Trains members as one program until none is left and none joins.

    Members need not begin together. One whose settings are bad or whose loss is not finite fails alone.
    """
    size = slots.size or 1
    pack, joining = Pack(), list(slots.join(size))
    while joining or pack.running:
        for member in joining:
            pack.admit(member)
        if pack.running:
            pack.train()
        joining = list(slots.join(size - len(pack.running))) if len(pack.running) < size else []


@dataclass(slots=True)
class Running:
    """A member in training: its settings, the steps done, and what it reported last."""

    member: Member
    config: CVAEConfig
    seed: int
    step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, member: Member) -> Running:
        """A member before its first step. Raises ValueError for bad settings."""
        settings = {key: value for key, value in member.params.items() if key != "seed"}
        seed = member.params.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ValueError(f"seed: found {seed!r}, allowed: an integer")
        return cls(member, build(settings), seed)

    @property
    def is_last_step(self) -> bool:
        """Whether all its steps are done."""
        return self.step >= self.config.train.steps

    @property
    def reports_now(self) -> bool:
        """Whether a report belongs to the step just done."""
        return self.is_last_step or self.step % self.config.train.report_every == 0

    def steps_to_report(self) -> int:
        """How many steps until the next report."""
        train = self.config.train
        return min(train.steps - self.step, train.report_every - self.step % train.report_every)


class Pack:
    """Members in training: ``running[i]`` is row i of ``stack``. The first one makes the program."""

    def __init__(self) -> None:
        self.program: Program | None = None
        self.shape = ""
        self.running: list[Running] = []
        self.stack: Stack | None = None

    def admit(self, member: Member) -> None:
        """Takes a member in at its first step, or where its checkpoint left it; one with bad settings fails."""
        try:
            running = Running.of(member)
            if self.program is None:
                self.program, self.shape = Program.of(running.config), shape(member.params)
            elif shape(member.params) != self.shape:
                raise ValueError(f"a pack of {self.shape or 'the defaults'} cannot take {shape(member.params)}")
        except ValueError as error:
            member.fail(error)
            return
        found = member.checkpoint.load() if member.checkpoint is not None else None
        if found is not None:
            running.step, running.metrics = found[1]["step"], dict(found[1]["metrics"])
        one = stack.member(self.program, running.config, running.seed, found and found[0])
        stack.load_stretch(self.program, one, 0, running.config, running.seed, running.step)
        self.stack = one if self.stack is None else stack.joined([self.stack, one])
        self.running.append(running)

    def train(self) -> None:
        """As many steps as nothing needs to be done about any member, then what needs to be done."""
        assert self.program is not None
        assert self.stack is not None
        stretch = course.length(self.program)
        steps = min(min(one.steps_to_report(), stretch - one.step % stretch) for one in self.running)
        steps = min(steps, LOOK_EVERY[self.program.device.type])
        for _ in range(steps):
            advance(self.program, self.stack)
        for one in self.running:
            one.step += steps
        ended = self._fail_diverged(self.stack)
        ended |= self._report(
            self.program, self.stack, [row for row in self._rows(ended) if self.running[row].reports_now]
        )
        ended |= {row for row in self._rows(ended) if not self._saved(self.stack, row)}
        self._drop(ended)
        for row, one in enumerate(self.running):
            if one.step % stretch == 0:
                stack.load_stretch(self.program, self.stack, row, one.config, one.seed, one.step)

    def _rows(self, without: set[int]) -> list[int]:
        return [row for row in range(len(self.running)) if row not in without]

    def _drop(self, ended: set[int]) -> None:
        if not ended or self.stack is None:
            return
        rows = self._rows(ended)
        self.stack = self.stack.select(rows) if rows else None
        self.running = [self.running[row] for row in rows]

    def _fail_diverged(self, members: Stack) -> set[int]:
        """Who has left the finite numbers since the last look; the others do not notice."""
        steps, terms = torch.stack([members.bad_M, members.term_M]).tolist()
        rows = {row for row, step in enumerate(steps) if step >= 0}
        for row in rows:
            one = self.running[row]
            one.member.fail(Diverged(steps[row], WATCHED[terms[row]], one.metrics))
        return rows

    def _report(self, program: Program, members: Stack, rows: list[int]) -> set[int]:
        """Evaluates the members of ``rows`` together and reports for each; returns those that ended by it."""
        if not rows:
            return set()
        evaluations = evaluate_rows(program, members, rows, [self.running[row] for row in rows])
        ended = set()
        for row, evaluation in zip(rows, evaluations, strict=True):
            one = self.running[row]
            wrong = next((name for name, value in evaluation.metrics.items() if not math.isfinite(value)), None)
            if wrong is not None:
                one.member.fail(Diverged(one.step, wrong, one.metrics))
                ended.add(row)
                continue
            one.metrics = evaluation.metrics
            if not one.member.report(one.step, dict(one.metrics)):
                ended.add(row)
            elif one.is_last_step or is_reached(one.config.train.stop_when, one.metrics):
                conclude(program, members, row, one, evaluation)
                ended.add(row)
        return ended

    def _saved(self, members: Stack, row: int) -> bool:
        """False if the member is to stop here: its checkpoint, if one is due, says so."""
        one = self.running[row]
        if one.member.checkpoint is None or not one.member.checkpoint.is_due():
            return True
        return one.member.checkpoint.save(one.step, members.saved(row), {"step": one.step, "metrics": one.metrics})


def evaluate_rows(program: Program, members: Stack, rows: list[int], running: list[Running]) -> list[Evaluation]:
    """The metrics of some members at their present step, those of the optimiser included."""
    chosen = members if len(rows) == len(members) else members.select(rows)
    steering = [dict(zip(course.CONTROLS, course.controls_at(one.config, one.step), strict=True)) for one in running]
    weights = LossWeights(
        *(torch.tensor([at[name] for at in steering], device=program.device) for name in LossWeights._fields)
    )
    weights = weights._replace(token_warmth=torch.ones_like(weights.token_warmth))
    model = with_parameters(program.model, program.layout.unflatten(chosen.flat_MW))
    evaluations = evaluate(model, program.split, weights, program.per_token)
    norms, commits = torch.stack([chosen.norm_M.double(), chosen.commit_M.double()]).tolist()
    for evaluation, one, norm, commit in zip(evaluations, running, norms, commits, strict=True):
        evaluation.metrics["diagnostics/commit_step"] = commit
        evaluation.metrics["diagnostics/learning_rate"] = course.rate_of(one.config, one.step)
        evaluation.metrics["diagnostics/gradient_norm"] = norm
    return evaluations


def conclude(program: Program, members: Stack, row: int, one: Running, evaluation: Evaluation) -> None:
    """Leaves the tables and the model in the member's folder, then declares it done."""
    if one.member.directory is not None:
        write_tables(one.member.directory, program.task.strategies, evaluation)
        save_model(one.member.directory, program.layout.unflatten(members.flat_MW[row]))
    one.member.finish(dict(one.metrics))
