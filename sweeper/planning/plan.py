"""What a run would do: a sweep file's trials, less what the ledger already holds, and what the rest would cost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sweeper.errors import Problem, SpecError
from sweeper.ledger.history import History, ledger_size, read_history
from sweeper.ledger.paths import SweepDir
from sweeper.planning.additions import with_earlier
from sweeper.planning.configurations import configurations
from sweeper.planning.estimate import CostEstimate, estimate_cost
from sweeper.planning.planned_trial import Action, PlannedTrial, Rerun, planned_trials
from sweeper.planning.trial_factory import TrialFactory
from sweeper.spec.claims.records import Claim, Correlate, Dominates
from sweeper.spec.space.domains import Range
from sweeper.spec.sweep import ADAPTIVE, Sweep
from sweeper.trainer.declarations import unknown_metric
from sweeper.trainer.trainer import HEADLINES, Trainer
from sweeper.trial import Params, Trial
from sweeper.value_text import NO_LABELS, Labels, plural

MAX_PROBLEMS = 20
TRIED = 100  # points of a search that the trainer's checks see before any was proposed


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of a sweep in their order; `complete` is False when a searcher will add to them."""

    sweep: Sweep
    items: tuple[PlannedTrial, ...]
    configs: int
    removed_by_where: Mapping[str, int]
    complete: bool
    pack: int
    estimate: CostEstimate
    warnings: tuple[Problem, ...]
    ledger_bytes: int  # how long the ledger was when this was planned
    labels: Labels = NO_LABELS  # what the file and the trainer call parameters and metrics
    hides: Problem | None = None  # another file of this name, whose trials would leave the tables

    @property
    def most_trials(self) -> int:
        """How many trials the sweep has at most, where seeds are added until the claims are decided."""
        return self.configs * self.sweep.most_seeds if self.sweep.looks else len(self.items)

    @property
    def most_device_hours(self) -> float | None:
        """What it costs at most to train what is left, beyond the results that are there; None: unknown."""
        left = self.most_trials - len(self.items) + len(self.to_run)
        return left * self.estimate.trial_s / 3600 if self.estimate.trial_s is not None else None

    def of(self, *actions: Action) -> list[PlannedTrial]:
        return [item for item in self.items if item.action in actions]

    @property
    def is_finished(self) -> bool:
        """Whether a run would find nothing to do."""
        budget = self.sweep.budget.trials
        searched = self.sweep.method in ADAPTIVE and budget is not None and len(self.items) >= budget
        return (self.complete or searched) and not self.of(Action.RUN, Action.REUSED)

    @property
    def to_run(self) -> list[Trial]:
        return [item.trial for item in self.items if item.action is Action.RUN]

    @property
    def expected(self) -> int:
        """How many trials a run will end, as far as that is known."""
        planned, budget = len(self.of(Action.RUN, Action.REUSED)), self.sweep.budget.trials
        return planned if self.complete or budget is None else planned + max(budget - len(self.items), 0)


def make(sweep: Sweep, trainer: Trainer | None, results: Path, rerun: Rerun = Rerun.NOTHING) -> Plan:
    """Plan a sweep against its ledger and those of other sweeps. Raises SpecError with every setting that is refused.

    Without a trainer (an ordinary W&B file) settings are not checked and no result can be known.
    """
    problems = unknown_metrics(sweep, trainer) if trainer else []
    ledger_bytes = ledger_size(SweepDir(results, sweep.name))
    own = read_history(SweepDir(results, sweep.name))
    sweep, left_out = with_earlier(sweep, own)
    factory = TrialFactory.of(sweep, trainer)
    try:
        points = configurations(sweep, trainer.defaults or {} if trainer else {})
        known = _proposed_before(sweep, factory, own) if sweep.method in ADAPTIVE else points.points
        configs, trials = trials_of(sweep, trainer, factory, known)
        trials += _added_before(sweep, factory, own, trials) if sweep.looks else []
    except SpecError as error:
        raise SpecError(*problems, *error.problems) from None
    if problems:
        raise SpecError(*problems)
    own.describe(trials)
    items = tuple(planned_trials(trials, own, rerun, results, sweep.name))
    pack = sweep.resources.pack or 1
    estimate = estimate_cost(items, own, sweep, SweepDir(results, sweep.name), complete=points.complete)
    warnings = (
        *left_out,
        *_idle_settings(sweep, trainer, trials),
        *_whole_numbers(sweep, trainer),
        *_unreported(sweep, trainer),
    )
    return Plan(
        sweep=sweep,
        items=items,
        configs=configs,
        removed_by_where=dict(points.removed),
        complete=points.complete,
        pack=pack,
        estimate=estimate,
        warnings=warnings,
        ledger_bytes=ledger_bytes,
        labels=factory.labels,
        hides=_hidden(sweep, results, own, trials),
    )


def file_of(sweep: Sweep, results: Path) -> str:
    """A sweep's file as seen from the results folder: both can be moved together."""
    return os.path.relpath(sweep.source.absolute(), results.absolute())


def _hidden(sweep: Sweep, results: Path, own: History, trials: list[Trial]) -> Problem | None:
    """What is wrong where the last run of this name was of another file, with no configuration in common.

    The same file may change in any way: running it again continues and extends.
    """
    last = str(own.runs[-1].get("file") or "") if own.runs else ""
    before = {record.trial.config for record in own.planned() if record.state.is_result}
    if (
        last in ("", file_of(sweep, results))
        or sweep.source.absolute() == SweepDir(results, sweep.name).spec.absolute()
    ):
        return None
    if not before or any(trial.config in before for trial in trials):
        return None
    message = "another sweep file has this name, and its trials would be in no table any more"
    found = f"{sweep.name}, last run from {Path(results, last).resolve().name} ({plural(len(before), 'configuration')})"
    hint = "give this one another name, in the file or with name=...; --extend makes it the next version of that sweep"
    return Problem(message, sweep.place("name"), "name", found, hint=hint)


def absent_metrics(sweep: Sweep, trainer: Trainer) -> Mapping[str, str]:
    """The metrics that no trial of the sweep reports though its trainer declares them, each with the reason."""
    varied = any(parameter.name in trainer.reads for parameter in sweep.space.parameters)
    return {} if varied else trainer.absent(sweep.base)


def _named_by(claim: Claim, key: str) -> list[tuple[str, str]]:
    """The metrics of a claim, each with the key that names it."""
    if isinstance(claim.test, Correlate):
        return [(f"{key}.correlate.x", claim.test.x), (f"{key}.correlate.y", claim.test.y)]
    if isinstance(claim.test, Dominates):
        return [(f"{key}.goals.{i}.name", goal.metric) for i, goal in enumerate(claim.test.goals)]
    return [(f"{key}.metric", claim.metric)]


def unknown_metrics(sweep: Sweep, trainer: Trainer) -> list[Problem]:
    """The metrics that the file names and the trainer does not report, with these settings or at all."""
    if trainer.metrics is None:
        return []
    named = {f"metric.{i}" if len(sweep.goals) > 1 else "metric": g.name for i, g in enumerate(sweep.goals)}
    named |= {key: name for i, claim in enumerate(sweep.claims) for key, name in _named_by(claim, f"expect.{i}")}
    if sweep.early.type != "none" and sweep.early.metric is not None:
        named["early_terminate.metric"] = sweep.early.metric
    read = [(f"constraints[{i}]", name) for i, clause in enumerate(sweep.constraints) for name in clause.names]
    absent = absent_metrics(sweep, trainer)
    problems = []
    for key, name in [*named.items(), *read]:
        if re.sub(r"/\d+$", "/T", name) not in trainer.metrics:
            problems.append(unknown_metric(key, sweep.place(key), name, [*trainer.metrics]))
        elif name in absent:
            message = "the trainer does not report this metric with these settings"
            problems.append(Problem(message, sweep.place(key), key, name, hint=absent[name]))
    return problems


def summary(plan: Plan) -> str:
    """The plan in one line: `8 trials: 5 to run, 3 cached`; of a search, `8 trials so far: 3 to run, 5 cached`."""
    counts = [f"{len(plan.of(action))} {action}" for action in (Action.RUN, *Action) if plan.of(action)]
    trials = plural(len(plan.items), "trial") + ("" if plan.complete else " so far")
    return f"{trials}: {', '.join(dict.fromkeys(counts))}" if counts else trials


def trials_of(
    sweep: Sweep, trainer: Trainer | None, factory: TrialFactory, points: Iterable[Params]
) -> tuple[int, list[Trial]]:
    """How many configurations the points make, and their trials. Raises SpecError for settings that are refused."""
    problems: dict[tuple[str, str], Problem] = {}
    trials: list[Trial] = []
    configs = 0

    def refuse(point: Params) -> None:
        for problem in trainer.check({**sweep.base, **point}) if trainer else ():
            problems.setdefault((problem.key, problem.found), replace(problem, where=sweep.place(problem.key)))

    for point in points:
        configs += 1
        refuse(point)
        if len(problems) >= MAX_PROBLEMS:
            break
        trials += factory.trials(point)
    if not configs and sweep.method not in ("grid", "list"):  # what a search may try, before it has tried anything
        for point in sweep.space.random(TRIED, sweep.sampler_seed) if trainer else ():
            refuse(point)
    if problems:
        raise SpecError(*problems.values())
    if sweep.method in ("random", "qmc") and sweep.budget.trials is not None:
        trials = trials[: sweep.budget.trials]
    return configs, trials


def _proposed_before(sweep: Sweep, factory: TrialFactory, own: History) -> list[Params]:
    """The points that a searcher proposed in earlier runs and that are points of today's file too, in their order."""
    space = replace(sweep.space, fixed=factory.settings)
    names = [parameter.name for parameter in space.parameters]
    points: dict[str, Params] = {}
    for record in own.planned():
        params = {**factory.added, **record.trial.params}
        point = space.active({name: params[name] for name in names if name in params})
        if factory.config_key(point) == record.trial.config:
            points[record.trial.config] = point
    return list(points.values())


def _added_before(sweep: Sweep, factory: TrialFactory, own: History, trials: Sequence[Trial]) -> list[Trial]:
    """The seeds beyond the first batch that earlier runs added for undecided claims."""
    first = {trial.config: trial for trial in reversed(trials)}
    places = [(record.trial.config, record.trial.seed) for record in own.planned()]
    added = range(len(sweep.seeds), sweep.most_seeds)
    return [factory.with_seed(first[config], seed) for config, seed in places if config in first and seed in added]


def _idle_settings(sweep: Sweep, trainer: Trainer | None, trials: list[Trial]) -> tuple[Problem, ...]:
    """Settings of the file that have no effect in any of the first configurations: legal, and surely not meant."""
    looked_at = [trainer.idle({**sweep.base, **trial.varied}) for trial in trials[:200]] if trainer else []
    idle = set.intersection(*map(set, looked_at)) if looked_at else set()
    return tuple(Problem("has no effect with the other settings", sweep.place(name), name) for name in sorted(idle))


def _whole_numbers(sweep: Sweep, trainer: Trainer | None) -> Iterator[Problem]:
    """Ranges of whole numbers for settings that the trainer declares as floats: hardly meant, and seldom noticed."""
    for parameter in sweep.space.parameters:
        domain, default = parameter.domain, (trainer.defaults or {}).get(parameter.name) if trainer else None
        if isinstance(domain, Range) and isinstance(default, float) and domain.integer and domain.step is None:
            if domain.high - domain.low < 2:  # reported with the file, whatever the trainer
                continue
            key, found = f"parameters.{parameter.name}", f"min: {domain.low}, max: {domain.high}"
            hint = f"write max: {domain.high}.0 for all numbers between"
            message = "only whole numbers, though the trainer takes others too"
            yield Problem(message, sweep.place(key), key, found, hint=hint)


def _unreported(sweep: Sweep, trainer: Trainer | None) -> tuple[Problem, ...]:
    """The metrics that people look for first and that no trial will have, with the reason."""
    absent = absent_metrics(sweep, trainer) if trainer else {}
    names = [name for name in list((trainer and trainer.metrics) or ())[:HEADLINES] if name in absent]
    message, place = "no trial reports this metric", sweep.place("trainer")
    return tuple(Problem(message, place, name, hint=absent[name]) for name in names)


def headline_metrics(plan: Plan, trainer: Trainer) -> list[str]:
    """The metrics worth a column: goals, those of constraints, and what is reported of the trainer's first three."""
    absent = absent_metrics(plan.sweep, trainer)
    goals = (goal.name for goal in plan.sweep.goals)
    declared = [name for name in list(trainer.metrics or ())[:HEADLINES] if name not in absent]
    kept = (name for constraint in plan.sweep.constraints for name in constraint.names)
    return list(dict.fromkeys([*goals, *kept, *declared]))
