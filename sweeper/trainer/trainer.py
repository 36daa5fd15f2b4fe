"""What a trainer must look like, and finding one: the bundled `cvae`, or a user's `package.module:function`.

A trainer is called as `function(params, report)`. `params` maps dotted names to values and holds "seed"; the trainer
calls `report(step, {metric: number})` as often as it likes and may return its final metrics. A function that also takes
`directory` is given the trial's own folder for its files. It may declare its settings and metrics, so that a sweep file
is checked before anything is trained:

    def train(params, report): ...
    train.parameters = {"lr": 0.1, "width": 64}          # name -> default; other names are then errors
    train.metrics = {"accuracy": "share correct, [0, 1]"}
    train.added = {"width": 64}                          # settings added later -> the value that changes nothing
    train.labels = {"accuracy": {"label": "test accuracy", "short": "acc"}}     # what people read instead of the name
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from sweeper.errors import Problem, UsageError
from sweeper.trainer import given, live_code, module_names, program
from sweeper.trainer.code_digest import code_digest, code_digest_before, read_project
from sweeper.trainer.declarations import (
    TrainFunction,
    declared,
    declared_added,
    declared_check,
    declared_names,
    declared_shape,
    objection,
    unknown_setting,
    value_not_allowed,
)
from sweeper.trainer.loading import BUNDLED, load_project, named_project, planned
from sweeper.trainer.planned_source import PlannedSource
from sweeper.trial import Params, Value, canonical_json
from sweeper.value_text import NO_LABELS, Labels

Report = Callable[[int, Mapping[str, float]], None]

CHECKER = "task.checker"  # the setting of the bundled trainer that names a function of one's own
HEADLINES = 3  # the metrics of a trainer that people look for first
# Digest of the code of a bundled trainer -> the digest under which results of equal numbers are filed. Changing that
# code and none of its numbers (tests/trainer/test_code_digest.py) writes the new digest here: no result gets stale.
SAME_NUMBERS = {"f75ebe2d57bd": "50369f7ce8fe"}


@dataclass(frozen=True, slots=True)
class Trainer:
    """A trainer, described without being run.

    `defaults` and `metrics` are None when the trainer does not declare them (then any name is allowed). `added` are
    settings that it got after results were made, with the value that means "as before": with it a setting is in no key.
    `check` names what is wrong with settings, `idle` those without effect given the others; `code` is the digest of
    its `source`, which every process imports, `code_before` the one that sweeper 0.1.0 gave it.
    `files` are those that a trial reads by its settings in `reads`, `names_code` the modules of one's own that these
    name, `absent` the metrics it does not report, and why.
    Trials of equal `shape` can be trained as one program, where the trainer can do that. `data` are the files that it
    declares to read, with the digests of their content once these are known; `with_data` makes them count as code.
    """

    name: str
    target: str
    defaults: Params | None
    metrics: Mapping[str, str] | None
    check: Callable[[Params], list[Problem]]
    idle: Callable[[Params], list[str]]
    code: str
    shape: Callable[[Params], str] = lambda params: ""
    data: Mapping[str, str] = field(default_factory=dict)
    added: Params = field(default_factory=dict)
    code_before: str = ""
    source: PlannedSource = field(default_factory=dict, repr=False)
    reads: tuple[str, ...] = ()
    files: Callable[[Params], list[str]] = lambda params: []
    absent: Callable[[Params], Mapping[str, str]] = lambda params: {}
    names_code: Callable[[Params], PlannedSource] = lambda params: {}
    labels: Labels = NO_LABELS

    def with_data(self, digests: Mapping[str, str]) -> Trainer:
        """The trainer whose results are those of its code with these data; a file that is not there ("") is none."""
        there = [digest for digest in digests.values() if digest]
        code = hashlib.sha256("\n".join([self.code, *there]).encode()).hexdigest()[:12] if there else self.code
        return replace(self, data=digests, code=code)


def find(name: str) -> Trainer:
    """Describe the trainer called `name`; torch is not imported for the bundled one.

    Raises UsageError when there is no such trainer, or its declarations cannot be used.
    """
    if name in BUNDLED:
        return _bundled(name)
    if name.startswith(program.PREFIX):
        return _command(name)
    if (kept := given.kept(name)) is not None:
        return _described(name, kept, live_code.function_digest(kept), "", {})
    function, module, project = load_project(name)
    codes = (code_digest(module, project), code_digest_before(module, project)) if project else ("", "")
    return _described(name, function, *codes, planned(project))


def _described(name: str, function: TrainFunction, code: str, code_before: str, source: PlannedSource) -> Trainer:
    message, hint = objection(function)
    if message:
        raise UsageError(Problem(message, "", "trainer", name, "a function(params, report)", hint))
    defaults, metrics = declared(function, "parameters", name), declared(function, "metrics", name)
    shape, data = declared_shape(function, name), declared_names(function, "data", name)
    return Trainer(
        name=name,
        target=name,
        defaults=defaults,
        metrics=metrics,
        check=declared_check(defaults),
        idle=lambda params: [],
        code=code,
        shape=shape,
        data=dict.fromkeys(data, ""),
        added=declared_added(function, defaults, name),
        code_before=code_before,
        source=source,
        labels=Labels.declared(declared(function, "labels", name) or {}),
    )


def _command(name: str) -> Trainer:
    """A command, whose parameters and metrics are its own; the files that it runs count as its code."""
    folder = program.folder_of(name, [Path(folder) for folder in module_names.users_folders()])
    target, files = program.target_of(name, folder), dict.fromkeys(program.files_of(name, folder), "")
    return Trainer(name, target, None, None, lambda params: [], lambda params: [], code="", data=files)


def resolve(trainer: Trainer, params: Params) -> dict[str, Value]:
    """All settings of a trial: the trainer's defaults, overlaid with `params`."""
    return {**(trainer.defaults or {}), **params}


def complete(trainer: Trainer, params: Params) -> dict[str, Value]:
    """The settings of a trial with those that its trainer got later and that it does not hold."""
    return {**trainer.added, **params}


def _refused(names_code: Callable[[Params], PlannedSource], params: Params, accepted: set[str]) -> list[Problem]:
    """Why the code that settings name cannot be used; what was `accepted` for one trial is not read for each."""
    named = str(params.get(CHECKER) or "")
    if named and named not in accepted:
        try:
            names_code(params)
        except UsageError as error:
            return list(error.problems)
        accepted.add(named)
    return []


@cache
def _bundled(name: str) -> Trainer:
    """Described once per process: the digest of its code takes 0.2 s, and `validate` may ask for a hundred files."""
    config = importlib.import_module(f"sweeper.{name}.config")
    module = BUNDLED[name].partition(":")[0]
    source = Path(str(config.__file__)).parent.joinpath(*module.split(".")[2:]).with_suffix(".py")

    accepted: set[str] = set()

    def check(params: Params) -> list[Problem]:
        return [
            value_not_allowed(p.key, p.found, p.allowed)
            if p.key in config.DEFAULTS
            else unknown_setting(p.key, config.DEFAULTS)
            for p in config.check(params)
        ] + _refused(names_code, params, accepted)

    def names_code(params: Params) -> PlannedSource:
        named = params.get(CHECKER) if config.data_files(params) else None
        return planned(named_project(str(named), CHECKER)) if named else {}

    project = read_project(module, source)
    digest, shape = code_digest(module, project), getattr(config, "shape", canonical_json)
    code = SAME_NUMBERS.get(digest, digest)
    return Trainer(
        name=name,
        target=BUNDLED[name],
        defaults=config.DEFAULTS,
        metrics=config.METRICS,
        check=check,
        idle=config.irrelevant,
        code=code,
        shape=shape,
        added=config.ADDED,
        source=planned(project),
        reads=config.READS,
        files=config.data_files,
        names_code=names_code,
        absent=config.absent,
        labels=Labels.declared(importlib.import_module(f"sweeper.{name}.labels").LABELS),
    )
