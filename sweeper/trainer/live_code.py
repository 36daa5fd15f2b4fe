"""The digest of code that no module to import holds: a function of a notebook's cell, the body of a loop.

Such code is what it refers to. The digest is over the syntax trees, without comments, layout and docstrings, of

- the function or the statements themselves,
- the functions and classes of the same notebook or script that they use, directly or not,
- modules of the user's own that they use, each with what it imports of the same project,

and over the values, when the digest is made, of the variables that any of them reads: numbers, texts, lists, arrays,
data frames, whatever can be pickled. Installed packages are provenance, not code, as everywhere.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import symtable
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, UsageError
from sweeper.trainer import planned_source, source_text
from sweeper.trainer.code_digest import code_digest, tree_digest

PLAIN = (type(None), bool, int, float, complex, str, bytes)
DECLARE = 'put it into a file and name that: trainer="my_module:train"'
_OURS = Path(__file__).parents[1]


def function_digest(function: Callable[..., object]) -> str:
    """12 hex digits over a function and what it refers to. Raises UsageError where that cannot be known."""
    collected = _Collected(getattr(function, "__globals__", {}))
    collected.add("trainer", function)
    return collected.digest()


def statements_digest(statements: list[ast.stmt], variables: Mapping[str, object], home: dict[str, Any]) -> str:
    """12 hex digits over statements that read `variables`; `home` are the globals of where they stand.

    What the statements bind themselves does not count by its value. Raises UsageError where the code cannot be known.
    """
    collected = _Collected(home)
    collected.tree("", ast.Module(statements, []), variables)
    return collected.digest()


class _Collected:
    """The parts of some code by name, each as the digest of its text or value."""

    def __init__(self, home: dict[str, Any]) -> None:
        self.home = home
        self.parts: dict[str, str] = {}
        self.seen: list[object] = []  # the objects themselves: an id may be given again
        self.ids: set[int] = set()

    def digest(self) -> str:
        text = "\n".join(f"{name} {part}" for name, part in sorted(self.parts.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def add(self, name: str, value: Any) -> None:
        """Take in what a variable holds."""
        if isinstance(value, PLAIN):
            self.parts[name] = repr(value)
            return
        if id(value) in self.ids:
            return
        self.ids.add(id(value))
        self.seen.append(value)
        if isinstance(value, types.ModuleType):
            self._module(value)
        elif isinstance(value, types.FunctionType):
            self._function(name, value)
        elif isinstance(value, type):
            self._class(name, value)
        elif isinstance(value, functools.partial):
            self._all(name, {"function": value.func, "arguments": value.args, "keywords": value.keywords})
        elif isinstance(value, types.MethodType):
            self._all(name, {"self": value.__self__, "function": value.__func__})
        elif not isinstance(value, types.BuiltinFunctionType):
            self._value(name, value)

    def tree(self, name: str, tree: ast.Module, variables: Mapping[str, object]) -> None:
        """Take in a piece of source, and what it reads of `variables`."""
        self.parts[f"code {name}"] = tree_digest(tree)
        for used in sorted(_names_read(tree)):
            if used in variables:
                self.add(used, variables[used])

    def _function(self, name: str, function: types.FunctionType) -> None:
        free = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        enclosed = {n: cell.cell_contents for n, cell in free.items() if cell != types.CellType()}
        if self._stands_here(function.__code__.co_filename):
            tree = source_text.function_tree(function)
            self.tree(function.__qualname__, tree, {**function.__globals__, **enclosed})
        else:
            self._module_named(str(function.__globals__.get("__name__")))
            self._all(name, enclosed)
        for attribute in ("__wrapped__", "train_pack"):
            if (other := getattr(function, attribute, None)) is not None:
                self.add(f"{name}.{attribute}", other)

    def _class(self, name: str, found: type) -> None:
        module = sys.modules.get(found.__module__)
        file = getattr(module, "__file__", None)
        if found.__module__ == self.home.get("__name__") or file is None:
            if found.__module__ not in sys.builtin_module_names:
                self.tree(found.__qualname__, source_text.class_tree(found, self.home), self.home)
        else:
            self._module_named(found.__module__)

    def _value(self, name: str, value: Any) -> None:
        """Take in an object by its content."""
        if isinstance(value, list | tuple | set | frozenset):
            items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
            self._all(name, {str(number): item for number, item in enumerate(items)})
            self.parts[name] = f"{type(value).__name__} of {len(value)}"
        elif isinstance(value, dict):
            self._all(name, {repr(key): item for key, item in value.items()})
            self.parts[name] = f"dict {sorted(map(repr, value))}"
        elif dataclasses.is_dataclass(value):
            self.add(type(value).__qualname__, type(value))
            self._all(name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        elif not _is_ours(type(value).__module__):
            self.add(type(value).__qualname__, type(value))
            self.parts[name] = _content(name, value)

    def _all(self, name: str, items: Mapping[str, object]) -> None:
        for key, item in items.items():
            self.add(f"{name}.{key}", item)

    def _module_named(self, name: str) -> None:
        if (module := sys.modules.get(name)) is not None:
            self.add(name, module)

    def _module(self, module: types.ModuleType) -> None:
        """Take in a module of the user's own, and the modules below it that are imported."""
        below = [n for n in list(sys.modules) if n.startswith(f"{module.__name__}.")]
        for name in [module.__name__, *sorted(below)]:
            file = source_text.users_file(sys.modules.get(name))
            if file is None or _is_ours(name) or f"module {name}" in self.parts:
                continue
            project = planned_source.own_project(name, file)
            for other in project:
                source_text.check_current(sys.modules.get(other))
            self.parts[f"module {name}"] = code_digest(name, project)

    def _stands_here(self, filename: str) -> bool:
        """Whether code is of the notebook or script itself, and no module's."""
        return not Path(filename).is_file() or filename == self.home.get("__file__")


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "sweeper"


def _content(name: str, value: object) -> str:
    from sweeper.trainer.content import content_digest  # here: joblib is needed for few values

    try:
        return content_digest(value)
    except Exception as error:
        message = f"the trials' keys must hold what their code reads, and {name} has no content that can be read"
        found = f"{type(value).__name__}: {type(error).__name__}: {error}"
        hint = f"make it inside of the function or the loop, or {DECLARE}"
        raise UsageError(Problem(message, "", name, found[:100], hint=hint)) from None


def _names_read(tree: ast.Module) -> set[str]:
    """The names that a piece of source reads and does not bind itself, at any depth."""
    top = symtable.symtable(ast.unparse(tree), "<code>", "exec")
    own = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    read = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    return (read | set(_globals_of(top))) - own


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        yield from (symbol.get_name() for symbol in child.get_symbols() if symbol.is_global())
        yield from _globals_of(child)
