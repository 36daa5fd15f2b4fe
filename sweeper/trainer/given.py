"""A function object given as the trainer: by its name where every process can import it, else only in this process."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, UsageError
from sweeper.trainer import planned_source

LOOP = "loop: "  # of the name of what trained in a loop over `sweeper.open`
MAIN = "__main__"


@dataclass(slots=True)
class _Given:
    """The functions of this process that no other one can import, by their names, and imports under way."""

    functions: dict[str, types.FunctionType] = field(default_factory=dict)
    importing: int = 0


_GIVEN = _Given()


def name_of(function: Callable[..., object]) -> str:
    """The name of a function object as a trainer: `module:function` where that imports it, in workers too.

    A function of a script that is being run is imported from its file again, as `multiprocessing` does. One of a
    notebook's cell, of the prompt, or defined in another function is kept here under its name. Raises UsageError.
    """
    module, qualified = str(getattr(function, "__module__", "")), str(getattr(function, "__qualname__", ""))
    variables = vars(sys.modules[module]) if module in sys.modules else {}
    # By its own name although the module was imported anew; what a call returned (`fuse`) by the variable's.
    names = [name for name, value in variables.items() if value is function or (name == qualified and callable(value))]
    if module == MAIN:
        importable = next((f"{found}:{name}" for name in names if (found := _script_module(name))), "")
    else:
        importable = f"{module}:{names[0]}" if names else ""
    if importable:
        return importable
    if not isinstance(function, types.FunctionType):
        hint = "write a function that calls it, or name it by its module: trainer='my_module:train'"
        raise UsageError(
            Problem("not a function", "", "trainer", repr(function)[:60], "a function(params, report)", hint)
        )
    name = f"{module}:{names[0] if names else qualified}"
    _GIVEN.functions[name] = function
    return name


def kept(name: str) -> Callable[..., Any] | None:
    """The function of this process that was given under this name and that no other process can import."""
    return _GIVEN.functions.get(name)


def refusal(name: str) -> str:
    """Why a name that is written in a sweep file stands for nothing that this process could import, or ""."""
    if name.startswith(LOOP):
        return "trained by a loop over sweeper.open(...): run that again"
    if name.startswith(f"{MAIN}:") or ".<locals>." in name or name.endswith(":<lambda>"):
        return "a function of a notebook or a program: give it there, sweeper.run(..., trainer=the_function)"
    return ""


class Importing:
    """While it is entered, a trainer's module is being imported."""

    def __enter__(self) -> None:
        _GIVEN.importing += 1

    def __exit__(self, *_: object) -> None:
        _GIVEN.importing -= 1


def check_not_importing() -> None:
    """Refuse a call made by the trainer's module while it is imported: it would run the sweep within itself."""
    if _GIVEN.importing:
        message = "a sweep was begun by the file of its own trainer, which is imported for each worker"
        raise UsageError(Problem(message, hint='put the call below `if __name__ == "__main__":`'))


def _script_module(name: str) -> str:
    """The module to import where the script that this process runs has a function of this name at its top level."""
    main: Any = sys.modules[MAIN]
    file = getattr(main, "__file__", None)
    if not file or not Path(file).is_file():
        return ""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (SyntaxError, ValueError):
        return ""
    bound = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    bound += [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]
    spec = getattr(main, "__spec__", None)
    module = str(spec.name).removesuffix(".__main__") if spec is not None else Path(file).stem
    if name not in bound or not all(part.isidentifier() for part in module.split(".")):
        return ""
    if spec is None:
        planned_source.allow_imports([Path(file).parent])
    return module
