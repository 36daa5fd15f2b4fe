"""What a run would do: a sweep file's trials, less what the ledger already holds, and what the rest would cost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice
from pathlib import Path

from sweeper.devices import cpus_here
from sweeper.errors import Problem, SpecError
from sweeper.ledger import ledger
from sweeper.ledger.ledger import History, SweepDir
from sweeper.planning.trial_factory import Family
from sweeper.spec.load import ADAPTIVE, Sweep, configurations
from sweeper.trainer import Trainer
from sweeper.trial import Ended, Params, State, Trial

MAX_PROBLEMS = 20


class Fate(StrEnum):
    """What a run would do with a trial."""

    CACHED = "cached"  # this sweep has its result
    REUSED = "reused"  # another sweep of the results folder has its result
    STALE = "stale"  # it has a result of older trainer code
    FAILED = "failed before"
    RUN = "to run"


class Rerun(StrEnum):
    """What to run again although the ledger holds it."""

    NOTHING = "nothing"
    FAILED = "failed"
    STALE = "stale"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Planned:
    """A trial with its fate, the reason, and the sweep a reused result comes from."""

    trial: Trial
    fate: Fate
    why: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the trials to run would cost; None where `reason` says why there is nothing to estimate from."""

    seconds: float | None
    device_hours: float | None
    disk_bytes: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of a sweep in their order; `complete` is False when a searcher will add to them."""

    sweep: Sweep
    items: tuple[Planned, ...]
    configs: int
    removed_by_where: Mapping[str, int]
    complete: bool
    pack: int
    estimate: Estimate
    warnings: tuple[Problem, ...]
    ledger_bytes: int  # how long the ledger was when this was planned

    def of(self, *fates: Fate) -> list[Planned]:
        return [item for item in self.items if item.fate in fates]

    @property
    def is_finished(self) -> bool:
        """Whether a run would find nothing to do."""
        budget = self.sweep.budget.trials
        searched = self.sweep.method in ADAPTIVE and budget is not None and len(self.items) >= budget
        return (self.complete or searched) and not self.of(Fate.RUN, Fate.REUSED)

    @property
    def to_run(self) -> list[Trial]:
        return [item.trial for item in self.items if item.fate is Fate.RUN]


def make(sweep: Sweep, trainer: Trainer | None, results: Path, rerun: Rerun = Rerun.NOTHING) -> Plan:
    """Plan a sweep against its ledger and those beside it. Raises SpecError naming every setting the trainer refuses.

    Without a trainer (an ordinary W&B file) settings are not checked and no result can be known.
    """
    problems = unknown_metrics(sweep, trainer) if trainer else []
    ledger_bytes = ledger.size(SweepDir(results, sweep.name))
    own = ledger.read(SweepDir(results, sweep.name))
    family = Family.of(sweep, trainer)
    try:
        points = configurations(sweep, trainer.defaults or {} if trainer else {})
        known = _proposed_before(sweep, family, own) if sweep.method in ADAPTIVE else points.points
        configs, trials = _trials(sweep, trainer, family, known)
    except SpecError as error:
        raise SpecError(*problems, *error.problems) from None
    if problems:
        raise SpecError(*problems)
    items = tuple(_planned(trials, own, rerun, results, sweep.name))
    pack = sweep.resources.pack or 1
    estimate = _estimate(items, own, sweep, SweepDir(results, sweep.name))
    warnings = _idle_settings(sweep, trainer, trials)
    return Plan(sweep, items, configs, dict(points.removed), points.complete, pack, estimate, warnings, ledger_bytes)


def unknown_metrics(sweep: Sweep, trainer: Trainer) -> list[Problem]:
    """The metrics that the file names and the trainer does not declare; none when it declares none."""
    if trainer.metrics is None:
        return []
    named = {f"metric.{i}" if len(sweep.goals) > 1 else "metric": g.name for i, g in enumerate(sweep.goals)}
    named |= {f"expect.{i}.metric": claim.metric for i, claim in enumerate(sweep.claims)}
    if sweep.early.type != "none" and sweep.early.metric is not None:
        named["early_terminate.metric"] = sweep.early.metric
    read = [(f"constraints[{i}]", name) for i, clause in enumerate(sweep.constraints) for name in clause.names]
    return [
        Problem(
            "the trainer reports no such metric",
            sweep.place(key),
            key,
            name,
            hint=f"it reports {', '.join(get_close_matches(name, trainer.metrics, 3, 0.5) or trainer.metrics)}",
        )
        for key, name in [*named.items(), *read]
        if re.sub(r"/\d+$", "/T", name) not in trainer.metrics
    ]


def summary(plan: Plan) -> str:
    """The plan in one line: `8 trials: 5 to run, 3 cached`; of a search, `8 trials so far: 3 to run, 5 cached`."""
    counts = [f"{len(plan.of(fate))} {fate}" for fate in (Fate.RUN, *Fate) if plan.of(fate)]
    trials = f"{len(plan.items)} trials" if plan.complete else f"{len(plan.items)} trials so far"
    return f"{trials}: {', '.join(dict.fromkeys(counts))}" if counts else trials


def as_json(plan: Plan) -> dict[str, object]:
    """The plan as the document that `plan --json` prints."""
    count = {fate: len(plan.of(fate)) for fate in Fate}
    known = plan.complete
    return {
        "sweep": plan.sweep.name,
        "method": plan.sweep.method,
        "configs": plan.configs if known else None,
        "seeds": len(plan.sweep.seeds),
        "trials": len(plan.items) if known else None,
        "cached": count[Fate.CACHED] + count[Fate.REUSED],
        "reused": count[Fate.REUSED],
        "stale": count[Fate.STALE],
        "to_run": count[Fate.RUN] if known else None,
        "failed_before": count[Fate.FAILED],
        "removed_by_where": dict(plan.removed_by_where),
        "packs": -(-count[Fate.RUN] // plan.pack) if known else None,
        "estimate": {
            "seconds": plan.estimate.seconds,
            "device_hours": plan.estimate.device_hours,
            "disk_bytes": plan.estimate.disk_bytes,
            "reason": plan.estimate.reason,
        },
    }


def _trials(sweep: Sweep, trainer: Trainer | None, family: Family, points: Iterable[Params]) -> tuple[int, list[Trial]]:
    problems: dict[tuple[str, str], Problem] = {}
    trials: list[Trial] = []
    configs = 0
    for point in points:
        configs += 1
        if trainer:
            for problem in trainer.check({**sweep.base, **point}):
                problems.setdefault((problem.key, problem.found), replace(problem, where=sweep.place(problem.key)))
            if len(problems) >= MAX_PROBLEMS:
                break
        trials += family.trials(point)
    if problems:
        raise SpecError(*problems.values())
    if sweep.method in ("random", "qmc") and sweep.budget.trials is not None:
        trials = trials[: sweep.budget.trials]
    return configs, trials


def _proposed_before(sweep: Sweep, family: Family, own: History) -> list[Params]:
    """The points that a searcher proposed in earlier runs and that are points of today's file too, in their order."""
    space = replace(sweep.space, fixed=family.base)
    names = [parameter.name for parameter in space.parameters]
    points: dict[str, Params] = {}
    for record in own.planned():
        params = record.trial.params
        point = space.active({name: params[name] for name in names if name in params})
        if family.config_key(point) == record.trial.config:
            points[record.trial.config] = point
    return list(points.values())


def _idle_settings(sweep: Sweep, trainer: Trainer | None, trials: list[Trial]) -> tuple[Problem, ...]:
    """Settings of the file that have no effect in any of the first configurations: legal, and surely not meant."""
    looked_at = [trainer.idle({**sweep.base, **trial.varied}) for trial in trials[:200]] if trainer else []
    idle = set.intersection(*map(set, looked_at)) if looked_at else set()
    return tuple(Problem("has no effect beside the other settings", sweep.place(name), name) for name in sorted(idle))


def _planned(trials: list[Trial], own: History, rerun: Rerun, results: Path, name: str) -> Iterator[Planned]:
    elsewhere: dict[str, str] | None = None
    older = {(r.trial.config, r.trial.seed): r.trial for r in own.records.values() if r.state.is_result}
    for trial in trials:
        record = own.records.get(trial.key)
        state = record.state if record else State.PENDING
        if rerun is Rerun.ALL:
            yield Planned(trial, Fate.RUN, "asked for: --rerun all")
        elif state.is_result:
            yield Planned(trial, Fate.CACHED, f"{state} in this sweep")
        elif state is State.FAILED and rerun is not Rerun.FAILED:
            yield Planned(trial, Fate.FAILED, record.ended.reason if record and record.ended else "")
        elif state is State.PENDING and (trial.config, trial.seed) in older and rerun is not Rerun.STALE:
            stale = older[trial.config, trial.seed]
            yield Planned(stale, Fate.STALE, f"trained by older code ({stale.code}); --rerun stale trains it again")
        else:
            elsewhere = _results_elsewhere(results, name) if elsewhere is None else elsewhere
            if trial.key in elsewhere and state is State.PENDING:
                yield Planned(trial, Fate.REUSED, f"trained in {elsewhere[trial.key]}", elsewhere[trial.key])
            else:
                yield Planned(trial, Fate.RUN, _why_run(state, record is not None))


def _why_run(state: State, known: bool) -> str:
    if state is State.FAILED:
        return "failed before; asked for: --rerun failed"
    return "not finished by an earlier run" if known else "new"


def _results_elsewhere(results: Path, name: str) -> dict[str, str]:
    """Trial key -> the other sweep of this results folder that has its result.

    What was pruned there may do well among the trials of this sweep.
    """
    others = (sweep for sweep in ledger.sweeps(results) if sweep.name != name)
    return {
        key: sweep.name
        for sweep in others
        for key, record in ledger.read(sweep).records.items()
        if record.state.is_result and record.state is not State.PRUNED
    }


def _estimate(items: tuple[Planned, ...], own: History, sweep: Sweep, folder: SweepDir) -> Estimate:
    known = [r for r in own.records.values() if r.ended and r.state is State.COMPLETED and not r.ended.origin]
    to_run = [item.trial for item in items if item.fate is Fate.RUN]
    if not to_run:
        return Estimate(0.0, 0.0, 0, "nothing to run")
    if not known:
        return Estimate(None, None, None, "no trial of this sweep has finished yet")
    ends = [record.ended for record in known if record.ended]
    at_once = sweep.resources.max_concurrent or max(1, int(cpus_here() // max(sweep.resources.cpu, 0.01)))
    # Members of a pack share their seconds: what ran beside each other, beyond one trial a device, cost nothing more.
    wall_s, made = sum(ended.wall_s for ended in ends), sum(ended.steps for ended in ends)
    each_s, step_s = wall_s / len(ends), wall_s / made if made else 0.0
    device_s = sum(_seconds(trial, each_s, step_s) for trial in to_run) / max(1.0, _beside_each_other(ends) / at_once)
    written = sum(path.stat().st_size for path in (folder.ledger, folder.curves) if path.exists())
    disk = round(written / len(known) * len(to_run))
    return Estimate(device_s / min(at_once, len(to_run)), device_s / 3600, disk, f"from {len(known)} finished trials")


def _beside_each_other(ends: list[Ended]) -> float:
    """How many trials were trained at the same time, on average over the time when any was."""
    busy_s, until = 0.0, -math.inf
    for began, end in sorted((ended.at - ended.wall_s, ended.at) for ended in ends):
        busy_s += max(0.0, end - max(began, until))
        until = max(until, end)
    return sum(ended.wall_s for ended in ends) / busy_s if busy_s > 0 else 1.0


def _seconds(trial: Trial, each_s: float, step_s: float) -> float:
    """Seconds a trial would take: by the step where it says how many steps it makes, else by the trial."""
    steps = trial.params.get("train.steps")
    return step_s * steps if isinstance(steps, int | float) and step_s else each_s


def head_and_tail(items: list[Planned], count: int) -> list[Planned | None]:
    """The first and last `count` items, with None between them where some were left out."""
    if len(items) <= 2 * count:
        return [*items]
    return [*islice(items, count), None, *items[-count:]]
