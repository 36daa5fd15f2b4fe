"""From a sweep file to a Sweep: extended files merged, overrides applied, all problems listed; its configurations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import Problem, SpecError, SweeperError, excerpt
from sweeper.redaction import without_login
from sweeper.spec import merge, overrides, writer
from sweeper.spec.checks import problems_of, warnings_of
from sweeper.spec.claims.convert import claim
from sweeper.spec.document import Document, parse
from sweeper.spec.space.expressions import condition
from sweeper.spec.space.parameters import Complaint, domain
from sweeper.spec.space.space import Parameter, Space
from sweeper.spec.space.zip_groups import zipped
from sweeper.spec.sweep import (
    Abort,
    Budget,
    Checkpoints,
    EarlyTermination,
    Goal,
    LookPlan,
    Notify,
    Resources,
    Retry,
    Sweep,
    Tracking,
)
from sweeper.spec.written_floats import floats
from sweeper.trainer import program
from sweeper.trial import Value, canonical
from sweeper.value_text import Labels

if TYPE_CHECKING:
    from sweeper.spec.schema import SweepKeys
    from sweeper.spec.sections import EarlyKeys


def load_spec(
    path: Path, overrides: Sequence[str] = (), *, alone: bool = False, given: Document | None = None
) -> Sweep:
    """The sweep of a file with overrides applied; `alone` refuses `extends`. Raises SpecError with all its problems.

    With `given` that is what the file would hold; `path` is then where it would lie.
    """
    layered, warnings = merge.layered(path, alone=alone, given=given)
    return _from_document(path, layered, overrides, warnings)


def load_text(text: str, path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """The sweep of `Sweep.text`, which was read from the file `path`, with overrides applied. Raises SpecError."""
    return _from_document(path, merge.flat(parse(text, str(path))), overrides, ())


def _from_document(path: Path, layered: Document, overrides: Sequence[str], warnings: Sequence[Problem]) -> Sweep:
    from sweeper.spec.validation import validated  # pydantic: a tenth of a second that only loading needs

    document = _document(path, layered, overrides)
    keys = validated(document)
    try:
        sweep = replace(_sweep(keys, document, path), floats=floats(keys, layered.tree))
        if problems := problems_of(sweep, keys):
            raise SpecError(*problems)
        return replace(sweep, warnings=(*warnings, *warnings_of(sweep, keys)))
    except SpecError as error:
        raise placed(error, document) from None


def load_run(path: Path) -> Sweep:
    """The sweep of a file that `run` wrote into a results folder: it stands alone, and reads no file outside of it.

    Raises SpecError.
    """
    return load_spec(path, alone=True)


def load_or_none(path: Path) -> Sweep | None:
    """The sweep of a file that was run once; None where it is gone or no longer valid."""
    try:
        return load_run(path)
    except SweeperError:
        return None


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a sweep file."""
    from sweeper.spec.schema import json_schema

    return json_schema()


def starter(name: str) -> str:
    """The text of `sweeper init`. Raises SpecError for a name that cannot be a folder."""
    try:
        return writer.starter(name)
    except Complaint as complaint:
        raise SpecError(replace(complaint.problem, key="name", found=excerpt(name))) from None


def copied(path: Path, name: str) -> str:
    """The text of a sweep file under another name: with its comments where it stands alone, else merged with its base.

    Raises SpecError.
    """
    sweep = load_spec(path)
    text = path.read_text(encoding="utf-8")
    if re.search(r"^extends:", text, re.MULTILINE) or not re.search(r"^name:", text, re.MULTILINE):
        text = sweep.text
    starter(name)  # refuses a name that cannot be a folder
    return re.sub(r"^name:.*$", lambda _: f"name: {writer.word(name)}", text, count=1, flags=re.MULTILINE)


def placed(error: SpecError, document: Document) -> SpecError:
    """The error with the place of each key that lacks one."""
    return SpecError(*(p if p.where else replace(p, where=str(document.place(p.key))) for p in error.problems))


def _document(path: Path, document: Document, changes: Sequence[str]) -> Document:
    """The effective document: overrides applied, a name given."""
    if changes:
        document = overrides.apply(document, changes)
    tree = {"name": path.name.removesuffix(path.suffix)} | document.tree
    return Document({"name": tree.pop("name"), **tree}, document.places)


def _trainer(keys: SweepKeys, document: Document) -> str | None:
    """The name of the trainer; a command gets `--seed` where the file has seeds."""
    if not isinstance(keys.trainer, str | None):
        return program.name_of(keys.trainer.command, seeded="seeds" in document.tree)
    return keys.trainer


def _sweep(keys: SweepKeys, document: Document, path: Path) -> Sweep:
    fixed = {name: canonical(value) for name, value in keys.base.items()}
    resources, budget = keys.resources, keys.budget
    return Sweep(
        name=keys.name,
        description=keys.description,
        trainer=_trainer(keys, document),
        base=fixed | _constants(keys),
        method="gp" if keys.method == "bayes" else keys.method,
        sampler_seed=keys.sampler.seed,
        prior=tuple(keys.sampler.prior),
        goals=tuple(Goal(m.name, m.goal == "maximize", m.impute) for m in keys.metric or ()),
        space=_space(keys, fixed),
        configs=tuple({name: canonical(value) for name, value in config.items()} for config in keys.configs),
        constraints=tuple(condition(text) for text in keys.constraints),
        seeds=_seeds(keys),
        looks=_looks(keys),
        budget=Budget(budget.trials, budget.wall, budget.device_hours and budget.device_hours * 3600),
        resources=Resources(resources.gpu, resources.cpu, resources.pack, resources.max_concurrent, resources.timeout),
        retry=Retry(keys.retry.max, tuple(keys.retry.never_on)),
        abort=Abort(keys.abort.consecutive_failures),
        notify=Notify(tuple(keys.notify.command), keys.notify.failures),
        early=_early(keys.early_terminate),
        checkpoints=Checkpoints(keys.checkpoints.every_s, keys.checkpoints.keep),
        tracking=Tracking(keys.tracking.uri),
        storage=keys.storage or "",
        claims=tuple(claim(item) for item in keys.expect),
        source=path,
        text=writer.dump(_without_login(document.tree)),
        warnings=(),
        places=document.places,
        labels=_labels(keys),
    )


def _labels(keys: SweepKeys) -> Labels:
    """What the file calls its parameters and metrics."""
    named = {metric.name: {"label": metric.label, "short": metric.short} for metric in keys.metric or ()}
    named |= {name: {"label": one.label, "short": one.short} for name, one in keys.parameters.items()}
    return Labels.declared(named)


def _without_login(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree as it may be written down: the address of the MLflow server without user and password."""
    tracking = tree.get("tracking")
    if not isinstance(tracking, dict) or not isinstance(tracking.get("uri"), str):
        return tree
    return {**tree, "tracking": {**tracking, "uri": without_login(tracking["uri"])}}


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
    zips = zipped(keys.zip, parameters, fixed | constants).groups  # spec/checks.py reports the others
    where = tuple(condition(text) for text in keys.where)
    return Space(parameters, zips, where, {**fixed, **constants})


def _seeds(keys: SweepKeys) -> tuple[int, ...]:
    return tuple(dict.fromkeys(keys.seeds)) if isinstance(keys.seeds, list) else tuple(range(keys.seeds.start))


def _looks(keys: SweepKeys) -> LookPlan | None:
    batches = keys.seeds
    if isinstance(batches, list):
        return None
    return LookPlan(batches.start, batches.max, batches.looks, batches.spending, batches.futility)


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
