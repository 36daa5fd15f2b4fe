"""What is wrong with a checker of one's own, read off its source: looking at it runs none of it. Imports no torch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


def checker_problem(name: str) -> str:
    """Why ``module:function`` cannot be imported and called with two lists of tokens; "" where nothing is known."""
    module, _, function = name.partition(":")
    if module.partition(".")[0] in sys.stdlib_module_names:
        return ""
    spec = _located(module)
    if spec is None:
        return f"no module {module} in the current folder or on the Python path"
    if spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    path = Path(spec.origin)
    return _problem_in(path, path.stat().st_mtime_ns, function)


def _located(module: str) -> ModuleSpec | None:
    """Where a module is, without importing the packages that it is in."""
    folders: list[str] | None = [str(Path.cwd()), *sys.path]
    spec = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, folders) if folders is not None else None
        if spec is None:
            return None
        folders = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
    return spec


@lru_cache(maxsize=16)
def _problem_in(path: Path, _mtime_ns: int, function: str) -> str:
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        return f"{path.name} line {error.lineno}: {error.msg}"
    except ValueError as error:  # null bytes
        return f"{path.name}: {error}"
    names: dict[str, ast.stmt] = {}
    for name, statement in _names(tree.body):
        names[name] = statement
    if "*" in names or "__getattr__" in names:
        return ""
    found = names.get(function)
    if found is None:
        return f"{path.name} has no function {function}"
    return _call_problem(found) if isinstance(found, ast.FunctionDef) and not found.decorator_list else ""


def _names(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """What the statements of a module may define, also those in its ``if`` and ``try``."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield statement.name, statement
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0], statement
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, statement
            elif node is not statement and isinstance(node, ast.stmt):
                yield from _names([node])


def _call_problem(function: ast.FunctionDef) -> str:
    arguments = function.args
    count = len(arguments.posonlyargs) + len(arguments.args)
    required = count - len(arguments.defaults)
    if any(default is None for default in arguments.kw_defaults):
        return f"{function.name} needs keyword arguments"
    if required > 2 or (count < 2 and arguments.vararg is None):
        return f"{function.name} takes {required} argument{'s' * (required != 1)}"
    return ""
