"""From a sweep file to a Sweep: extended files merged, overrides applied, all problems told; and its configurations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sweeper.errors import Problem, SpecError
from sweeper.spec import merge, overrides, writer
from sweeper.spec.checks import problems_of, warnings_of
from sweeper.spec.claims import Claim, claim
from sweeper.spec.document import Document
from sweeper.spec.space.expressions import condition
from sweeper.spec.space.parameters import Complaint, domain
from sweeper.spec.space.space import Parameter, Point, Removed, Space
from sweeper.spec.space.zip_groups import zipped
from sweeper.spec.sweep import (
    ADAPTIVE,
    Abort,
    Budget,
    Checkpoints,
    EarlyTermination,
    Goal,
    Resources,
    Retry,
    Sweep,
    Tracking,
)
from sweeper.trial import Params, Value, canonical
from sweeper.wording import did_you_mean, excerpt

if TYPE_CHECKING:
    from sweeper.spec.schema import SweepKeys
    from sweeper.spec.sections import EarlyKeys

__all__ = [
    "ADAPTIVE", "Abort", "Budget", "Checkpoints", "Claim", "Configurations", "EarlyTermination", "Goal", "Resources",
    "Retry", "Sweep", "Tracking", "configurations", "load", "schema", "starter", "unknown_names",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Configurations:
    """The configurations of a sweep: `points` can be read once, `removed` counts along as they are.

    `complete` is False where a searcher will add to them, or where nothing says how many to draw.
    """

    points: Iterable[Point]
    removed: Removed
    complete: bool


def load(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """The sweep of a file with overrides applied. Raises SpecError with all its problems at once."""
    from sweeper.spec.validation import validated  # pydantic: a tenth of a second that only loading needs

    document, warnings = _document(path, overrides)
    keys = validated(document)
    try:
        sweep = _sweep(keys, document, path)
        if problems := problems_of(sweep, keys):
            raise SpecError(*problems)
        return replace(sweep, warnings=(*warnings, *warnings_of(sweep, keys)))
    except SpecError as error:
        raise _placed(error, document) from None


def configurations(sweep: Sweep, defaults: Params = MappingProxyType({})) -> Configurations:
    """The configurations that a sweep will train, varied and active parameters only.

    `defaults` are the trainer's settings, which conditions may read beside those of the file. Raises SpecError for
    other names, and while `points` are read, where a condition has no value.
    """
    if problems := unknown_names(sweep, defaults):
        raise SpecError(*problems)
    space = replace(sweep.space, fixed={**defaults, **sweep.base})
    removed: Removed = {clause.text: 0 for clause in space.where}
    if sweep.method == "grid":
        points = space.grid(removed)
    elif sweep.method == "list":
        points = space.listed(sweep.configs, removed)
    elif sweep.method in ADAPTIVE or sweep.budget.trials is None:
        return Configurations((), removed, False)
    else:
        count = math.ceil(sweep.budget.trials / len(sweep.seeds))
        draw = space.qmc if sweep.method == "qmc" else space.random
        points = draw(count, sweep.sampler_seed, removed)
    return Configurations(_told_where(points, sweep), removed, True)


def unknown_names(sweep: Sweep, defaults: Params) -> list[Problem]:
    """The names that conditions read and that neither the file nor the trainer has."""
    listed = {name for config in sweep.configs for name in config}
    known = {*defaults, *sweep.space.fixed, *listed, *(parameter.name for parameter in sweep.space.parameters)}
    read = [(f"where[{index}]", clause) for index, clause in enumerate(sweep.space.where)]
    read += [(f"parameters.{p.name}.when", p.when) for p in sweep.space.parameters if p.when is not None]
    read += [
        (f"expect[{index}].where", claim.where) for index, claim in enumerate(sweep.claims) if claim.where is not None
    ]
    return [
        Problem("no such setting", sweep.place(key), key, excerpt(name), hint=did_you_mean(name, sorted(known)))
        for key, clause in read
        for name in clause.names
        if name not in known
    ]


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a sweep file."""
    from sweeper.spec.schema import json_schema

    return json_schema()


def starter(name: str) -> str:
    """The text of `sweeper init`. Raises SpecError for a name that cannot be a folder."""
    from sweeper.spec import starter as starters

    try:
        return starters.starter(name)
    except Complaint as complaint:
        raise SpecError(replace(complaint.problem, key="name", found=excerpt(name))) from None


def _placed(error: SpecError, document: Document) -> SpecError:
    """The error with the place of each key that lacks one."""
    return SpecError(*(p if p.where else replace(p, where=str(document.place(p.key))) for p in error.problems))


def _told_where(points: Iterator[Point], sweep: Sweep) -> Iterator[Point]:
    try:
        yield from points
    except SpecError as error:
        raise _placed(error, Document({}, dict(sweep.places))) from None


def _document(path: Path, changes: Sequence[str]) -> tuple[Document, list[Problem]]:
    """The effective document: extended files merged, overrides applied, a name given."""
    document, warnings = merge.layered(path)
    if changes:
        document = overrides.apply(document, changes)
    tree = {"name": path.name.removesuffix(path.suffix)} | document.tree
    return Document({"name": tree.pop("name"), **tree}, document.places), warnings


def _sweep(keys: SweepKeys, document: Document, path: Path) -> Sweep:
    fixed = {name: canonical(value) for name, value in keys.base.items()}
    resources, budget = keys.resources, keys.budget
    return Sweep(
        name=keys.name,
        description=keys.description,
        trainer=keys.trainer,
        base=fixed | _constants(keys),
        method="gp" if keys.method == "bayes" else keys.method,
        sampler_seed=keys.sampler.seed,
        goals=tuple(Goal(m.name, m.goal == "maximize", m.impute) for m in keys.metric or ()),
        space=_space(keys, fixed),
        configs=tuple({name: canonical(value) for name, value in config.items()} for config in keys.configs),
        constraints=tuple(condition(text) for text in keys.constraints),
        seeds=tuple(dict.fromkeys(keys.seeds)),
        budget=Budget(budget.trials, budget.wall, budget.device_hours and budget.device_hours * 3600),
        resources=Resources(resources.gpu, resources.cpu, resources.pack, resources.max_concurrent, resources.timeout),
        retry=Retry(keys.retry.max, tuple(keys.retry.never_on)),
        abort=Abort(keys.abort.consecutive_failures),
        early=_early(keys.early_terminate),
        checkpoints=Checkpoints(keys.checkpoints.every_s, keys.checkpoints.keep),
        tracking=Tracking(keys.tracking.uri),
        claims=tuple(claim(item) for item in keys.expect),
        source=path,
        text=writer.dump(document.tree),
        warnings=(),
        places=document.places,
    )


def _constants(keys: SweepKeys) -> dict[str, Value]:
    """Parameters that are one fixed value, always: they are settings, not parameters."""
    return {
        name: canonical(parameter.value)
        for name, parameter in keys.parameters.items()
        if "value" in parameter.given and parameter.when is None
    }


def _space(keys: SweepKeys, fixed: dict[str, Value]) -> Space:
    constants = _constants(keys)
    parameters = tuple(
        Parameter(name, domain(parameter.given), condition(parameter.when) if parameter.when else None)
        for name, parameter in keys.parameters.items()
        if name not in constants
    )
    zips = zipped(keys.zip, parameters, fixed | constants).groups  # the others are told by spec_checks
    where = tuple(condition(text) for text in keys.where)
    return Space(parameters, zips, where, {**fixed, **constants})


def _early(keys: EarlyKeys) -> EarlyTermination:
    return EarlyTermination(
        type=keys.type,
        metric=keys.metric,
        min_steps=keys.min_steps,
        max_steps=keys.max_steps,
        min_reports=keys.min_iter,
        max_reports=keys.max_iter,
        eta=keys.eta,
        brackets=keys.s,
        strict=keys.strict,
        startup_trials=keys.startup_trials,
        patience=keys.patience,
        min_delta=keys.min_delta,
        below=keys.below,
        above=keys.above,
    )
