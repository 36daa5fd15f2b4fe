"""The trainer that a sweep file names, as the results folder knows it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

from sweeper import provenance
from sweeper.errors import Problem, UsageError
from sweeper.ledger.history import holds_code, is_imported
from sweeper.ledger.paths import SweepDir
from sweeper.spec.space.domains import Choice
from sweeper.spec.sweep import Sweep
from sweeper.trainer import loading, planned_source
from sweeper.trainer import trainer as trainers
from sweeper.trainer.planned_source import PlannedFile, PlannedSource
from sweeper.trainer.trainer import Trainer
from sweeper.trial import Params


def find_trainer(sweep: Sweep, results: Path, *, needed: bool) -> Trainer | None:
    """The trainer of a sweep and its data; its code has the digest that this results folder knows it by.

    Raises UsageError when there is no such trainer, or none is named and one is needed, and for an imported sweep.
    """
    _refuse_imported(sweep, results)
    if sweep.trainer is not None:
        found = described(sweep)
        chosen, code = _named(sweep, found)
        today = replace(found, source={**found.source, **code}).with_data(
            provenance.data_digests([*found.data, *chosen])
        )
        if chosen:
            return today
        # Results from before data counted as code, or from 0.1.0, stay those of this trainer.
        older = (code for code in (found.code_before, found.code) if code != today.code and holds_code(results, code))
        return replace(today, code=next(older, today.code))
    if needed:
        raise UsageError(trainer_needed(sweep))
    return None


def _refuse_imported(sweep: Sweep, results: Path) -> None:
    """What is imported was trained elsewhere, and nothing can be trained in its place."""
    sweep_dir = SweepDir(results, sweep.name)
    if is_imported(sweep_dir):
        hint = "name this sweep otherwise, in its file or with name=...; `sweeper compare` aligns the two"
        message = "a sweep of this name was imported, and is only read"
        raise UsageError(Problem(message, sweep.place("name"), "name", sweep.name, hint=hint))


def _named(sweep: Sweep, trainer: Trainer) -> tuple[list[str], PlannedSource]:
    """The files that the trials of a sweep read by their settings, and the code of one's own that these name.

    Those of every value that it tries. The files of the code are among the files: in the order that sweeper had before
    it counted.
    """
    files: dict[str, None] = {}
    code: dict[str, PlannedFile] = {}
    for point in _points(sweep, trainer):
        files |= dict.fromkeys(trainer.files(point))
        known, modules = {Path(file).resolve() for file in files}, trainer.names_code(point)
        paths = [Path(module.path) for module in modules.values()]
        files |= dict.fromkeys(_shown(path) for path in paths if path.resolve() not in known)
        code |= modules
    return list(files), code


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _points(sweep: Sweep, trainer: Trainer) -> list[Params]:
    """The settings that decide which files are read, those of every combination that the sweep tries."""
    varied = {
        parameter.name: parameter.domain.values
        for parameter in sweep.space.parameters
        if parameter.name in trainer.reads and isinstance(parameter.domain, Choice)
    }
    combinations = (dict(zip(varied, values, strict=True)) for values in product(*varied.values()))
    return [{**sweep.base, **point} for point in combinations]


def described(sweep: Sweep) -> Trainer:
    """The trainer that a sweep names: its module may lie in the current folder, or next to the file that names it."""
    assert sweep.trainer is not None, "the caller has looked"
    if sweep.trainer not in loading.BUNDLED:
        files = [sweep.source, *(Path(place.file) for key, place in sweep.places.items() if key == "trainer")]
        # A results folder may be a stranger's: nothing is imported from it.
        folders = [file.parent for file in files if not (file.parent / "ledger.jsonl").exists()]
        planned_source.allow_imports([Path.cwd(), *folders])
    try:
        return trainers.find(sweep.trainer)
    except UsageError as error:
        place = sweep.place("trainer")
        raise UsageError(*(p if p.where else replace(p, where=place) for p in error.problems)) from error.__cause__


def trainer_needed(sweep: Sweep) -> Problem:
    """What is wrong with a sweep file that names no trainer."""
    allowed = f"{', '.join(loading.BUNDLED)}, or package.module:function"
    hint = "add `trainer: ...` to the file, or trainer=... to the command"
    return Problem("a trainer is needed to run", str(sweep.source), "trainer", "", allowed, hint)
