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
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from sweeper.errors import Exit, Problem, SweeperError, UsageError, did_you_mean
from sweeper.trainer import given, live_code, module_names, planned_source, program
from sweeper.trainer.code_digest import ModuleSource, code_digest, code_digest_before, project_root, read_project
from sweeper.trainer.declarations import (
    TrainFunction,
    declared,
    declared_added,
    declared_check,
    declared_names,
    declared_shape,
    unknown_setting,
    value_not_allowed,
)
from sweeper.trainer.planned_source import PlannedFile, PlannedSource
from sweeper.trainer.signature import objection
from sweeper.trial import Params, Value, canonical_json
from sweeper.value_text import NO_LABELS, Labels

Report = Callable[[int, Mapping[str, float]], None]

HEADLINES = 3  # the metrics of a trainer that people look for first
BUNDLED = {"cvae": "sweeper.cvae.training.train:train"}
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
    `files` are those that a trial reads by its settings in `reads`, `absent` the metrics it does not report, and why.
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
    function, module, project = _load_project(name)
    codes = (code_digest(module, project), code_digest_before(module, project)) if project else ("", "")
    return _described(name, function, *codes, _planned(project))


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


def _load_project(name: str) -> tuple[TrainFunction, str, dict[str, ModuleSource]]:
    """The function `name` imported from the source that is returned with it, and the module that it is defined in.

    The source is {} where the module is not Python in a file.
    """
    module = _split(name)[0]
    top = module.partition(".")[0]
    if own := module_names.own_file(top, or_folder=module != top):
        _refuse_taken(name, {top: str(own)})
    path = planned_source.locate(module)
    project = read_project(module, path) if path else {}
    _refuse_taken(name, {name: source.path for name, source in project.items()})
    planned_source.use(_planned(project))
    function = load(name)
    home = str(getattr(function, "__module__", module))
    if home not in project and path and (other := _beside(module, path, home)):
        project |= read_project(home, other)  # it was taken from there by other means than an import statement
        planned_source.use(_planned(project))
        function = load(name)
    return function, home if home in project else module, project


def _refuse_taken(name: str, files: Mapping[str, str]) -> None:
    """Refuse a trainer one of whose files would be imported where a package means its own."""
    file, owner = module_names.taken(files)
    if not file:
        return
    path, (module, _, function) = Path(file), name.partition(":")
    path = path.parent if path.name == "__init__.py" else path
    old = path.stem
    found = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    if module.partition(".")[0] == old:
        new = ".".join([f"my_{old}", *module.split(".")[1:]])
        raise UsageError(
            Problem(f"its module has the name of {owner}", "", "trainer", found, hint=f"rename it: {new}:{function}")
        )
    hint = f"rename it, here and where it is imported: my_{old}"
    raise UsageError(Problem(f"a module that {name} imports has the name of {owner}", "", "trainer", found, hint=hint))


def _beside(module: str, path: Path, other: str) -> Path | None:
    """The file of the module `other` where that belongs to the project of `module`, which is in the file `path`."""
    file = planned_source.locate(other)
    return file if file and project_root(other, file) == project_root(module, path) else None


def _planned(project: Mapping[str, ModuleSource]) -> dict[str, PlannedFile]:
    return {name: PlannedFile(source.path, source.content) for name, source in project.items()}


def _command(name: str) -> Trainer:
    """A command, whose parameters and metrics are its own; the files that it runs count as its code."""
    folder = program.folder_of(name, [Path(folder) for folder in module_names.users_folders()])
    target, files = program.target_of(name, folder), dict.fromkeys(program.files_of(name, folder), "")
    return Trainer(name, target, None, None, lambda params: [], lambda params: [], code="", data=files)


def load(target: str) -> TrainFunction:
    """Import `package.module:function` from the Python path and the current folder, and return the function."""
    if target.startswith(program.PREFIX):
        return program.function_of(target)
    if (kept := given.kept(target)) is not None:
        return kept
    module_name, function_name = _split(target)
    try:
        with given.Importing():
            function = getattr(importlib.import_module(module_name), function_name)
    except AttributeError:
        own = module_name.partition(".")[0] in sys.stdlib_module_names
        hint = f"{module_name} is a module of Python itself: give your file another name" if own else ""
        raise UsageError(
            Problem(f"module {module_name} has no function {function_name}", "", "trainer", target, hint=hint)
        ) from None
    except ModuleNotFoundError as error:
        hint = "modules are looked up on the Python path and in the current folder"
        raise UsageError(Problem(f"cannot import: {error}", "", "trainer", target, hint=hint)) from None
    except SweeperError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and isinstance(error.code, Exit)):
            raise  # ours
        # The user's module runs on import: whatever it raises, sys.exit included, is about that module.
        raise UsageError(
            Problem(f"importing it fails: {type(error).__name__}: {error}", "", "trainer", target)
        ) from error
    if not callable(function):
        raise UsageError(Problem("not a function", "", "trainer", target, "a function(params, report)"))
    return function  # type: ignore[no-any-return]


def _split(target: str) -> tuple[str, str]:
    """Module and function of `package.module:function`; the current folder is then one to import from."""
    if hint := given.refusal(target):
        raise UsageError(Problem("this trainer is in no file to import", "", "trainer", target, hint=hint))
    module, _, function = target.partition(":")
    if not function or not all(part.isidentifier() for part in module.split(".")) or module.endswith(".py"):
        hint = did_you_mean(target.lower(), [*BUNDLED])
        if not hint and (importable := _importable(module)):
            hint = f"a function of a module of your own: {importable}:{function or 'train'}"
            if (new := importable.rpartition(".")[2]) not in re.split(r"[./]", module):
                hint += f", its file renamed to {new}.py"
        elif not hint and "/" in module:
            hint = f"write {Path(module).stem}:{function or 'train'}, and put the folder of its file on PYTHONPATH"
        allowed = f"{', '.join(BUNDLED)}, or package.module:function"
        raise UsageError(Problem("no such trainer", "", "trainer", target, allowed, hint))
    planned_source.allow_imports([Path.cwd()])
    return module, function


def _importable(text: str) -> str:
    """The module that somebody means who writes a path or the name of a file, or "".

    >>> _importable("./code/my-model.py"), _importable("mine"), _importable("../mine.py"), _importable("os; import sys")
    ('code.my_model', 'mine', '', '')
    """
    parts = text.removesuffix(".py").removeprefix("./").replace("/", ".").split(".")
    names = [part.replace("-", "_").replace(" ", "_") for part in parts]
    return ".".join(names) if all(name.isidentifier() for name in names) else ""


def resolve(trainer: Trainer, params: Params) -> dict[str, Value]:
    """All settings of a trial: the trainer's defaults, overlaid with `params`."""
    return {**(trainer.defaults or {}), **params}


def complete(trainer: Trainer, params: Params) -> dict[str, Value]:
    """The settings of a trial with those that its trainer got later and that it does not hold."""
    return {**trainer.added, **params}


@cache
def _bundled(name: str) -> Trainer:
    """Described once per process: the digest of its code takes 0.2 s, and `validate` may ask for a hundred files."""
    config = importlib.import_module(f"sweeper.{name}.config")
    module = BUNDLED[name].partition(":")[0]
    source = Path(str(config.__file__)).parent.joinpath(*module.split(".")[2:]).with_suffix(".py")

    def check(params: Params) -> list[Problem]:
        return [
            value_not_allowed(p.key, p.found, p.allowed)
            if p.key in config.DEFAULTS
            else unknown_setting(p.key, config.DEFAULTS)
            for p in config.check(params)
        ]

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
        source=_planned(project),
        reads=config.READS,
        files=config.data_files,
        absent=config.absent,
        labels=Labels.declared(importlib.import_module(f"sweeper.{name}.labels").LABELS),
    )
