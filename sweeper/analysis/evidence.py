"""What a claim is judged by: its metric by configuration and seed, and what became of the other trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sweeper.spec.claims.records import Claim, Success
from sweeper.spec.space.expressions import Expression, UnknownName
from sweeper.spec.space.tokens import ExpressionError
from sweeper.trial import Params, Record, State, Trial

LARGEST = 1e60  # beyond that, and for NaN, there is no number: its fourth power would not be one


@dataclass(slots=True)
class Group:
    """A configuration: the metric's value for every seed that completed, and the states of all its trials.

    `trial` is any of them; `varying` names the settings that tell it from other configurations.
    """

    trial: Trial
    varying: Sequence[str]
    values: dict[int, float] = field(default_factory=dict)
    states: Counter[State] = field(default_factory=Counter)

    @property
    def config(self) -> str:
        return self.trial.config

    @property
    def params(self) -> Params:
        return self.trial.params

    @property
    def label(self) -> str:
        return label(self.trial, self.varying)

    @property
    def numbers(self) -> list[float]:
        return [*self.values.values()]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The configurations a claim is about, in the order of the plan; `problem` is the reason where there are none."""

    groups: Sequence[Group]
    problem: str = ""

    @property
    def measured(self) -> list[Group]:
        """The configurations with a value."""
        return [group for group in self.groups if group.values]

    @property
    def values(self) -> list[float]:
        return [value for group in self.groups for value in group.values.values()]

    @property
    def states(self) -> Counter[State]:
        return sum((group.states for group in self.groups), Counter())

    @property
    def unfinished(self) -> int:
        """How many trials are still to come."""
        return self.states[State.PENDING] + self.states[State.RUNNING]

    @property
    def missing(self) -> str:
        """The trials that ended without a value, in words: `2 diverged, 1 failed`; "" when there are none."""
        states = self.states
        parts = [f"{states[s]} {s}" for s in (State.PRUNED, State.DIVERGED, State.FAILED, State.STOPPED) if states[s]]
        silent = states[State.COMPLETED] - len(self.values)
        return ", ".join([*parts, *([f"{silent} without the metric"] if silent else [])])

    def among(self, records: Sequence[Record]) -> list[Record]:
        """The records of these configurations."""
        configs = {group.config for group in self.groups}
        return [record for record in records if record.trial.config in configs]


def collect(claim: Claim, records: Sequence[Record]) -> Evidence:
    """What these trials say about the claim."""
    metric, where = claim.measure, claim.where
    groups: dict[str, Group] = {}
    varying = varying_names(records)
    left_out: set[str] = set()
    problem = "no trial is planned" if not records else ""
    for record in records:
        trial = record.trial
        if trial.config in left_out:
            continue
        group = groups.get(trial.config)
        if group is None:
            try:
                if where is not None and not where.holds(trial.params):
                    left_out.add(trial.config)
                    continue
            except (UnknownName, ExpressionError) as error:
                problem = _where_problem(where, error)
                left_out.add(trial.config)
                continue
            group = groups[trial.config] = Group(trial, varying)
        value = value_of(record, metric)
        group.states[record.state if value is None else State.COMPLETED] += 1  # also one that diverged: no success
        if value is not None:
            group.values[trial.seed] = value
    if not groups and not problem and where is not None:
        problem = f"no configuration has {where.text}"
    return Evidence(list(groups.values()), "" if groups else problem)


def value_of(record: Record, metric: str | Success) -> float | None:
    """The final value of a completed trial's metric; None without one, or where it is no number to reckon with.

    Of a success it is 1 or 0: 0 also for a trial that diverged.
    """
    if isinstance(metric, Success):
        value = value_of(record, metric.metric)
        if value is None:
            return 0.0 if record.state is State.DIVERGED else None
        return float(metric.low <= value <= metric.high)
    value = record.value(metric)
    return value if value is not None and abs(value) <= LARGEST else None


def varying_names(records: Sequence[Record]) -> list[str]:
    """The parameters that take more than one value over the trials (all that were varied if none does)."""
    seen: dict[str, set[str]] = {}
    configs = {record.trial.config: record.trial.varied for record in records}
    for varied in configs.values():
        for name, value in varied.items():
            seen.setdefault(name, set()).add(repr(value))
    return [name for name, values in seen.items() if len(values) > 1] or list(seen)


def label(trial: Trial, names: Sequence[str]) -> str:
    """A configuration as text, by these of its settings: `beta=1 mKL=0`."""
    varied = trial.varied
    return trial.labels.settings({name: varied[name] for name in names if name in varied}) or "all settings"


def _where_problem(where: Expression | None, error: Exception) -> str:
    text = where.text if where is not None else ""
    if isinstance(error, UnknownName):
        return f"no setting is called {error.args[0]} (where: {text})"
    return f"{error} (where: {text})"
