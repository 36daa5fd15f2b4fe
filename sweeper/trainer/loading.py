"""Importing a trainer from the files of its project, and what a name must be for that: `package.module:function`."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from sweeper.errors import Exit, Problem, SweeperError, UsageError, did_you_mean
from sweeper.trainer import given, module_names, planned_source, program
from sweeper.trainer.code_digest import ModuleSource, project_root
from sweeper.trainer.declarations import TrainFunction
from sweeper.trainer.planned_source import PlannedFile

BUNDLED = {"cvae": "sweeper.cvae.training.train:train"}
_MISSING = object()


def load_project(name: str) -> tuple[TrainFunction, str, dict[str, ModuleSource]]:
    """The function `name` imported from the source that is returned with it, and the module that it is defined in.

    The source is {} where the module is not Python in a file.
    """
    module = _split(name)[0]
    top = module.partition(".")[0]
    if own := module_names.own_file(top, or_folder=module != top):
        _refuse_taken(name, {top: str(own)})
    path = planned_source.locate(module)
    folders, project = list(sys.path), planned_source.own_project(module, path) if path else {}
    _refuse_taken(name, {name: source.path for name, source in project.items()})
    planned_source.use(planned(project))
    function = load(name)
    if path and sys.path != folders:  # it imports from folders that it put on the path itself
        project = planned_source.own_project(module, path)
        planned_source.use(planned(project))
        function = load(name)
    home = str(getattr(function, "__module__", module))
    if home not in project and path and (other := _beside(module, path, home)):
        project |= planned_source.own_project(
            home, other
        )  # it was taken from there by other means than an import statement
        planned_source.use(planned(project))
        function = load(name)
    return function, home if home in project else module, project


def named_project(name: str, setting: str) -> dict[str, ModuleSource]:
    """The modules of a function of one's own that a setting names as `module:function`, wherever they lie.

    {} where they are installed, Python's own or not there. Raises UsageError where one has the name of another's.
    """
    module = name.partition(":")[0]
    planned_source.allow_imports([Path.cwd()])
    if own := module_names.own_file(module.partition(".")[0]):
        _refuse_taken(name, {module.partition(".")[0]: str(own)}, setting)
    path = planned_source.elsewhere()(module)
    project = planned_source.own_project(module, path) if path else {}
    _refuse_taken(name, {name: source.path for name, source in project.items()}, setting)
    return project


def _refuse_taken(name: str, files: Mapping[str, str], key: str = "trainer") -> None:
    """Refuse a trainer, or what `key` names, where one of its files would be imported for a package's own."""
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
            Problem(f"its module has the name of {owner}", "", key, found, hint=f"rename it: {new}:{function}")
        )
    hint = f"rename it, here and where it is imported: my_{old}"
    raise UsageError(Problem(f"a module that {name} imports has the name of {owner}", "", key, found, hint=hint))


def _beside(module: str, path: Path, other: str) -> Path | None:
    """The file of the module `other` where that belongs to the project of `module`, which is in the file `path`."""
    file = planned_source.locate(other)
    return file if file and project_root(other, file) == project_root(module, path) else None


def planned(project: Mapping[str, ModuleSource]) -> dict[str, PlannedFile]:
    return {name: PlannedFile(source.path, source.content) for name, source in project.items()}


def load(target: str) -> TrainFunction:
    """Import `package.module:function` from the Python path and the current folder, and return the function."""
    if target.startswith(program.PREFIX):
        return program.function_of(target)
    if (kept := given.kept(target)) is not None:
        return kept
    module_name, function_name = _split(target)
    try:
        with given.Importing():
            module = importlib.import_module(module_name)
            function = getattr(module, function_name, _MISSING)  # a module may make it when it is asked for
    except ModuleNotFoundError as error:
        hint = "modules are looked up on the Python path, in the current folder and in the sweep file's"
        raise UsageError(Problem(f"cannot import: {error}", "", "trainer", target, hint=hint)) from None
    except SweeperError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and isinstance(error.code, Exit)):
            raise  # ours
        # The user's module runs on import: whatever it raises, sys.exit included, is about that module.
        raise UsageError(_failed_import(target, error)) from error
    if function is _MISSING:
        hint = did_you_mean(function_name, [name for name, value in [*vars(module).items()] if callable(value)])
        raise UsageError(
            Problem(f"module {module_name} has no function {function_name}", "", "trainer", target, hint=hint)
        )
    if not callable(function):
        raise UsageError(Problem("not a function", "", "trainer", target, "a function(params, report)"))
    return function


def _failed_import(target: str, error: BaseException) -> Problem:
    """What is wrong with a module that raises an error when it is imported, and where."""
    message = f"importing it fails: {type(error).__name__}: {error}"
    ours, frames = str(Path(__file__).parents[1]), traceback.extract_tb(error.__traceback__)
    others = ("site-packages", "/lib/python", "<frozen", ours)
    own = [frame for frame in frames if frame.lineno and not any(part in frame.filename for part in others)]
    found, hint = f"{target}, at {os.path.relpath(own[-1].filename)}:{own[-1].lineno}" if own else target, ""
    if own and "attempted relative import" in str(error):
        package, name = Path(own[-1].filename).absolute().parent.name, target.partition(":")
        hint = f"it is part of a package: in the folder above, name it {package}.{name[0]}:{name[2]}"
    return Problem(message, "", "trainer", found, hint=hint)


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
