"""A sweep as an Optuna study in a SQLite file, which optuna-dashboard and optuna.visualization open.

One Optuna trial is one configuration: its values are the means over the completed seeds, its intermediate values the
means at the steps that all its seeds reported. Its user attributes are the trials and their other metrics.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from sweeper.analysis.columns import metric_columns
from sweeper.analysis.frames import history
from sweeper.errors import LedgerError, Problem, UsageError
from sweeper.ledger import atomic
from sweeper.ledger.paths import SweepDir
from sweeper.search.objectives import violations
from sweeper.spec.load import load_run
from sweeper.spec.space.domains import Choice, Range
from sweeper.spec.space.space import Parameter
from sweeper.spec.sweep import Sweep
from sweeper.trial import Record, State, Value, by_config, values_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_MARK = "sweeper.sweep"  # the user attribute with the sweep that a study was made for


def write(results: Path, name: str, path: Path) -> int:
    """Write the study of a sweep to a file, whole or not at all; how many trials it has.

    An earlier study of the same sweep is replaced. Raises UsageError for any other file and for a sweep without a goal.
    """
    sweep_dir = SweepDir(results, name)
    records = history(sweep_dir, curves=True).planned()
    sweep = load_run(sweep_dir.spec)
    if not sweep.goals:
        hint = "metric: {name: ..., goal: ...} in the sweep file, and run it again"
        raise UsageError(Problem("a study needs a goal, and this sweep has none", name, "metric", hint=hint))
    if path.exists() and not _is_study_of(path, name):
        hint = "name another file, or remove this one"
        raise UsageError(Problem("there is a file that is no study of this sweep", str(path), hint=hint))
    trials = _trials(sweep, records)
    curves = [_curve(group, sweep.goals[0].name) if len(sweep.goals) == 1 else {} for group in _groups(records)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "study.db"
            _store(made, sweep, trials, curves)
            with atomic.replaced(path) as temporary:
                shutil.copyfile(made, temporary)
    except OSError as error:
        raise LedgerError(Problem(f"cannot be written: {error.strerror}", str(path))) from error
    return len(trials)


def _is_study_of(path: Path, name: str) -> bool:
    """Whether the file is an Optuna storage with one study, which was written here for this sweep. Changes nothing."""
    query = (
        "select study_name, key, value_json from studies left join study_user_attributes using (study_id) "
        f"where key = '{_MARK}' or key is null"
    )
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(query).fetchall()
            count = database.execute("select count(*) from studies").fetchone()[0]
    except sqlite3.Error:
        return False
    return bool(count == 1 and rows == [(name, _MARK, json.dumps(name))])


def _store(path: Path, sweep: Sweep, trials: Sequence[FrozenTrial], curves: Sequence[Mapping[int, float]]) -> None:
    import optuna
    from optuna.exceptions import ExperimentalWarning

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    try:
        kinds = optuna.study.StudyDirection
        directions = [kinds.MAXIMIZE if goal.maximize else kinds.MINIMIZE for goal in sweep.goals]
        study: Study = optuna.create_study(storage=storage, study_name=sweep.name, directions=directions)
        study.set_user_attr(_MARK, sweep.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([goal.name for goal in sweep.goals])
        study.add_trials(trials)
        numbers = [trial._trial_id for trial in study.get_trials(deepcopy=False)]
    finally:
        storage.engine.dispose()
    _store_curves(path, dict(zip(numbers, curves, strict=True)))


def _store_curves(path: Path, curves: Mapping[int, Mapping[int, float]]) -> None:
    """Optuna writes a value in 1.5 ms, 50 reports of 1000 trials in more than a minute; this takes half a second."""
    rows = [(trial, step, value) for trial, curve in curves.items() for step, value in curve.items()]
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            "insert into trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
            "values (?, ?, ?, 'FINITE')",
            rows,
        )


def _trials(sweep: Sweep, records: Sequence[Record]) -> list[FrozenTrial]:
    columns, names = _columns(sweep, records), metric_columns(records)
    return [_trial(sweep, group, columns, names) for group in _groups(records)]


def _groups(records: Sequence[Record]) -> list[list[Record]]:
    return list(by_config(records).values())


def _trial(
    sweep: Sweep,
    group: Sequence[Record],
    columns: Mapping[str, Column],
    names: Mapping[str, str],
) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    ends, varied = _ends(group), group[0].trial.varied
    values = [fmean(known) for goal in sweep.goals if (known := values_of(group, goal.name))]
    state = TrialState[_state(group, len(values) == len(sweep.goals))]
    complete = [end for end in ends if end.state is State.COMPLETED]
    shown = state is TrialState.COMPLETE
    metrics = {column: fmean(known) for name, column in names.items() if (known := values_of(group, name))}
    trial = create_trial(
        state=state,
        values=values if shown else None,
        params={name: columns[name].of(value) for name, value in varied.items()},
        distributions={name: columns[name].distribution for name in varied},
        constraints=violations(sweep.constraints, complete) if shown else None,
        user_attrs=metrics
        | {
            "sweeper.config": group[0].trial.config,
            "sweeper.trials": [record.trial.key for record in group],
            "sweeper.seeds": [record.trial.seed for record in group],
            "sweeper.states": [str(record.state) for record in group],
        },
    )
    begun = [end.started_at for end in ends] + [r.started.at for r in group if r.started is not None]
    if begun:
        trial.datetime_start = datetime.fromtimestamp(min(begun))
    if state.is_finished():
        trial.datetime_complete = datetime.fromtimestamp(max(end.at for end in ends))
    return trial


def _ends(group: Sequence[Record]) -> list[Any]:
    return [record.ended for record in group if record.ended is not None and record.state is not State.PENDING]


def _state(group: Sequence[Record], has_values: bool) -> str:
    """Optuna's word for where a configuration stands: COMPLETE when one of its seeds completed with every goal."""
    states = {record.state for record in group}
    if states == {State.PENDING}:
        return "WAITING"
    if states & {State.PENDING, State.RUNNING}:
        return "RUNNING"
    if has_values:
        return "COMPLETE"
    return "PRUNED" if State.PRUNED in states else "FAIL"


def _curve(group: Sequence[Record], metric: str) -> dict[int, float]:
    """The mean over the seeds at the steps that all of them reported."""
    seeds = [
        {r.step: r.metrics[metric] for r in record.reports if math.isfinite(r.metrics.get(metric, math.nan))}
        for record in group
    ]
    steps = set.intersection(*(set(seed) for seed in seeds))
    return {step: fmean(seed[step] for seed in seeds) for step in sorted(steps)}


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter as Optuna has it: one distribution for all trials, which holds every value that was trained."""

    distribution: BaseDistribution
    as_text: bool = False

    def of(self, value: Value) -> Any:
        return json.dumps(value) if self.as_text else value


def _columns(sweep: Sweep, records: Sequence[Record]) -> dict[str, Column]:
    known = {parameter.name: parameter for parameter in sweep.space.parameters}
    values: dict[str, dict[str, Value]] = {}
    for record in records:
        for name, value in record.trial.varied.items():
            values.setdefault(name, {})[json.dumps(value)] = value
    return {name: _column(known.get(name), list(seen.values())) for name, seen in values.items()}


def _column(parameter: Parameter | None, seen: Sequence[Value]) -> Column:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = parameter.domain if parameter is not None else None
    numbers = [value for value in seen if isinstance(value, int | float) and not isinstance(value, bool)]
    if not isinstance(domain, Choice | None) and len(numbers) == len(seen):
        bounds = (domain.low, domain.high) if isinstance(domain, Range) else ()
        low, high = min([*bounds, *numbers]), max([*bounds, *numbers])
        log = isinstance(domain, Range) and domain.log and low > 0
        if isinstance(domain, Range) and domain.integer and all(isinstance(value, int) for value in numbers):
            return Column(IntDistribution(int(low), int(high), log=log))
        return Column(FloatDistribution(low, high, log=log))
    named = {json.dumps(value): value for value in (*(domain.values if isinstance(domain, Choice) else ()), *seen)}
    plain = [value for value in named.values() if not isinstance(value, list | dict)]
    if len(set(plain)) < len(named):  # lists and mappings, which Optuna cannot hold, or 1 next to true
        return Column(CategoricalDistribution(list(named)), as_text=True)
    return Column(CategoricalDistribution(plain))
