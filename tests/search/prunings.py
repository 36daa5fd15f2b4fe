"""Pruners of sweeps that are texts, and trials that report to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.search.pruner import Pruner
from sweeper.spec.sweep import Sweep
from sweeper.trial import Record, Reported, State, Trial
from tests.records import make_end, make_trial
from tests.spec.sweep_texts import loaded


def early(folder: Path, rule: str, goal: str = "minimize") -> Sweep:
    """A sweep that stops trials early by this rule."""
    text = f"name: s\nmetric: {{name: loss, goal: {goal}}}\nparameters: {{x: {{values: [1, 2]}}}}\n"
    return loaded(folder, f"{text}early_terminate: {{{rule}}}\n")


def pruner(folder: Path, rule: str, goal: str = "minimize") -> Pruner:
    made = Pruner.of(early(folder, rule, goal), [])
    assert made is not None
    return made


def trials_of(count: int) -> list[Trial]:
    return [make_trial(x=number) for number in range(count)]


@dataclass
class Run:
    """Trials of `steps` steps under a pruner; what they reported stays, as it does in a ledger."""

    pruner: Pruner
    steps: int
    records: dict[str, Record] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def report(self, trial: Trial, step: int, **metrics: float) -> str:
        if trial.key not in self.records:
            self.pruner.started(trial)
        event = Reported(trial.key, 1, 0.0, step, metrics)
        self.records.setdefault(trial.key, Record(trial)).reports.append(event)
        return self.pruner.reported(event)

    def end(self, trial: Trial, state: State = State.COMPLETED) -> None:
        self.records[trial.key].ended = make_end(trial, state)
        self.pruner.ended(make_end(trial, state))

    def alone(self, trial: Trial, losses: Sequence[float]) -> int:
        """Trains one trial from its first step to its end or to where it is stopped; which step that was."""
        for step, loss in enumerate(losses, 1):
            reason = self.report(trial, step, loss=loss)
            if reason and step < self.steps:
                self.reasons[trial.key] = reason
                self.end(trial, State.PRUNED)
                return step
        self.end(trial)
        return len(losses)
