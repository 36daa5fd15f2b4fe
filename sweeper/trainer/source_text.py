"""The source of functions and classes that exist in this process, and whether it is still what they were made of."""

from __future__ import annotations
import __future__

import ast
import linecache
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, UsageError

_FUTURE = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_tree(function: types.FunctionType) -> ast.Module:
    """The syntax tree of a function. Raises UsageError where its source is not there, or has been edited since."""
    code = function.__code__
    text = text_of(code.co_filename)
    if not text:
        hint = "define it in a cell or in a file; what is typed at the plain prompt or given to `python -c` is not kept"
        raise UsageError(
            Problem("the source of this function cannot be found", code.co_filename, function.__qualname__, hint=hint)
        )
    tree = _parsed(text, code.co_filename)
    node = _node_of(code, tree)
    if node is None or not _is_compiled_from(code, text):
        raise _edited(code.co_filename, function.__qualname__)
    return ast.Module([ast.Expr(node)] if isinstance(node, ast.Lambda) else [node], [])


def class_tree(found: type, home: dict[str, Any]) -> ast.Module:
    """The syntax tree of a class that a script or a cell defines; `home` are the globals there. Raises UsageError."""
    methods = (value for value in vars(found).values() if isinstance(value, types.FunctionType))
    files = [one.__code__.co_filename for one in methods if one.__qualname__.startswith(f"{found.__qualname__}.")]
    cells = [name for name in reversed(list(linecache.cache)) if not Path(name).is_file()]
    for file in dict.fromkeys([*files, str(home.get("__file__") or ""), *cells]):
        if text := text_of(file):
            nodes = (node for node in ast.walk(_parsed(text, file)) if isinstance(node, ast.ClassDef))
            if same := [node for node in nodes if node.name == found.__name__]:
                return ast.Module([same[-1]], [])
    hint = "define it by a class statement in a cell or in a file"
    raise UsageError(Problem("the source of this class cannot be found", "", found.__qualname__, hint=hint))


def text_of(file: str) -> str:
    """The text of a file or of a cell, "" where there is none."""
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


def users_file(module: types.ModuleType | None) -> Path | None:
    """The source of a module of the user's own: neither Python's nor of an installed package."""
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py"):
        return None
    path = Path(file).absolute()
    return None if is_installed(path) else path


def is_installed(path: Path) -> bool:
    """Whether a file is Python's or of an installed package."""
    pythons = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    is_packages = "site-packages" in path.parts or "dist-packages" in path.parts
    return is_packages or any(path.is_relative_to(folder) for folder in pythons)


def check_current(module: types.ModuleType | None) -> None:
    """Refuse a module that was imported and whose file was edited since: what runs is not what the file holds."""
    file = users_file(module)
    if module is None or file is None or module.__name__ == "__main__":
        return
    text = text_of(str(file))
    made = set(_codes(text, str(file), 0)) if text else set()
    for function in _functions(module):
        code = function.__code__
        if code.co_filename == str(file) and code not in made and not _is_compiled_from(code, text):
            raise _edited(str(file), function.__qualname__)


def check_compiled_from(code: types.CodeType, text: str) -> None:
    """Refuse code that was compiled from another text than its file holds now."""
    if not _is_compiled_from(code, text):
        raise _edited(code.co_filename, code.co_name)


def _functions(module: types.ModuleType) -> Iterator[types.FunctionType]:
    for value in list(vars(module).values()):
        members = vars(value).values() if isinstance(value, type) and value.__module__ == module.__name__ else ()
        yield from (one for one in (value, *members) if isinstance(one, types.FunctionType))


def _edited(file: str, name: str) -> UsageError:
    message = "its file was edited after it was imported: the results would be filed under code that did not make them"
    return UsageError(Problem(message, file, name, hint="restart the kernel or the program, or importlib.reload(it)"))


def _parsed(text: str, file: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:  # a cell with magics: %time, !ls
        return ast.Module([], [])


def _is_compiled_from(code: types.CodeType, text: str) -> bool:
    return code in _codes(text, code.co_filename, code.co_flags & _FUTURE)


def _codes(text: str, file: str, flags: int) -> list[types.CodeType]:
    """Every code object that compiling a text makes."""
    try:
        waiting = [compile(text, file, "exec", flags, dont_inherit=True)]
    except (SyntaxError, ValueError):
        return []
    found = []
    while waiting:
        found.append(waiting.pop())
        waiting += [one for one in found[-1].co_consts if isinstance(one, types.CodeType)]
    return found


def _node_of(code: types.CodeType, tree: ast.Module) -> _Defined | None:
    """The definition that a code object was compiled from."""
    if code.co_name == "<lambda>":
        places = [(line, column) for line, _, column, _ in code.co_positions() if line and column is not None]
        lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and _holds(node, max(places))]
        return max(lambdas, key=lambda node: (node.lineno, node.col_offset), default=None)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _holds(node: ast.Lambda, place: tuple[int, int]) -> bool:
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return (node.body.lineno, node.body.col_offset) <= place <= end
