"""An Optuna study that another program made, as the source of an import."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.errors import Problem, UsageError
from sweeper.importing.snapshot import path_of, snapshot
from sweeper.importing.source import ImportSource, SourceTrial, shown
from sweeper.importing.values import STATES, measured
from sweeper.redaction import without_login
from sweeper.trial import Value

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage, RDBStorage
    from optuna.trial import FrozenTrial

_TABLES = ("studies", "trials", "trial_params")
_DRIVERS = "install its driver, or name one that is installed, as in postgresql+psycopg2:// or mysql+pymysql://"


def study_source(address: str, name: str) -> ImportSource:
    """The trials of a study in an Optuna storage: a SQLite or journal file, or an address. The storage is not changed.

    `name` may be "" where there is one study. Raises UsageError.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    shown_address = without_login(address)
    with warnings.catch_warnings(), _storage(address) as storage:
        warnings.simplefilter("ignore")
        names = [study.study_name for study in storage.get_all_studies()]
        if (not name and len(names) != 1) or (name and name not in names):
            hint = "--study NAME" if names else ""
            message = "no such study" if name else "which study?"
            raise UsageError(Problem(message, shown_address, "--study", name, shown(names) or "there is none", hint))
        study = optuna.load_study(study_name=name or names[0], storage=storage)
        return _source(study, f"study {study.study_name} of {_short(address)}")


@contextmanager
def _storage(address: str) -> Iterator[BaseStorage]:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = path_of(address)
    if path is not None and path.is_file() and not _is_sqlite(path):
        try:
            yield JournalStorage(JournalFileBackend(str(path)))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise UsageError(Problem("neither a SQLite file nor a journal of Optuna", str(path))) from None
        return
    with nullcontext(address) if path is None else snapshot(path, _TABLES, "Optuna") as url:
        storage = _opened(address, url)
        try:
            yield storage
        finally:
            storage.engine.dispose()


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SQLite"


def _opened(path: str, address: str) -> RDBStorage:
    """The storage behind an address; UsageError with what SQLAlchemy or Optuna found wrong with it."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import NoSuchModuleError

    try:
        return RDBStorage(address, skip_table_creation=True)
    except Exception as error:  # drivers raise errors of their own: a missing module, a server that does not answer
        cause: BaseException = error
        while cause.__cause__:  # Optuna calls whatever a server answers an error of a commit, the drivers know better
            cause = cause.__cause__
        why = without_login(str(cause).strip().partition("\n")[0])[:300]
        hint = _DRIVERS if isinstance(cause, ModuleNotFoundError | NoSuchModuleError) else ""
        raise UsageError(Problem(f"not a storage that Optuna opens: {why}", without_login(path), hint=hint)) from None


def _source(study: Study, text: str) -> ImportSource:
    names = _metric_names(study)
    all_trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in all_trials if trial.state.is_finished()]
    goals = {name: direction.name == "MAXIMIZE" for name, direction in zip(names, study.directions, strict=True)}
    trials = [_trial(trial, names) for trial in ended]
    return ImportSource("optuna", text, trials, len(all_trials) - len(ended), goals, _domains(ended))


def _metric_names(study: Study) -> list[str]:
    if study.metric_names:
        return list(study.metric_names)
    count = len(study.directions)
    return ["value"] if count == 1 else [f"value_{number}" for number in range(count)]


def _trial(trial: FrozenTrial, names: Sequence[str]) -> SourceTrial:
    """Numbers among the user attributes are metrics; a pruned trial has the last value that it reported."""
    attributes = {name: number for name, value in trial.user_attrs.items() if (number := measured(value)) is not None}
    curve = [(step, {names[0]: value}) for step, value in sorted(trial.intermediate_values.items()) if step >= 0]
    last = curve[-1][1] if curve else {}
    values = dict(zip(names, trial.values, strict=True)) if trial.values else last
    state = STATES[trial.state.name.lower()]
    assert state is not None, "only trials that have ended"
    return SourceTrial(
        id=str(trial.number),
        where=f"trial {trial.number}",
        params=dict(trial.params),
        metrics={**attributes, **values},
        state=state,
        reason=str(trial.system_attrs.get("fail_reason", "")),
        curve=curve if len(names) == 1 else (),
        steps=curve[-1][0] if curve else 0,
        started_at=trial.datetime_start.timestamp() if trial.datetime_start else None,
        ended_at=trial.datetime_complete.timestamp() if trial.datetime_complete else None,
    )


def _domains(trials: Sequence[FrozenTrial]) -> dict[str, Mapping[str, Value]]:
    """The keys of each parameter in a sweep file, where all trials drew it from one kind of distribution."""
    found: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            found.setdefault(name, []).append(distribution)
    domains = {name: _domain(every) for name, every in found.items() if len({type(one) for one in every}) == 1}
    return {name: domain for name, domain in domains.items() if domain is not None}


def _domain(every: Sequence[BaseDistribution]) -> dict[str, Value] | None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    last = every[-1]
    if isinstance(last, CategoricalDistribution):
        choices: list[Value] = [*last.choices]
        return {"values": choices} if len(choices) > 1 else None
    if not isinstance(last, FloatDistribution | IntDistribution) or any(one != last for one in every):
        return None
    if last.low == last.high:
        return None
    bounds: dict[str, Value] = {"min": last.low, "max": last.high}
    step = last.step if isinstance(last, FloatDistribution) or last.step != 1 else None
    return bounds | ({"log": True} if last.log else {}) | ({"step": step} if step else {})


def _short(address: str) -> str:
    """The address as it is kept: a file by its name, wherever that lies."""
    path = path_of(address)
    return path.name if path is not None else without_login(address)
