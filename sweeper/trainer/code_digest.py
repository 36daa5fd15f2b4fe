"""The digest of a trainer's code: of its syntax trees, without the places, the layout and the names of its modules."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULE = ".module"  # stands for the name of a module of the project
IMPORTS = ".imports"  # stands for the imports of the project in a block of statements
BLOCKS = ("body", "orelse", "finalbody")  # the fields of a tree that hold statements
LARGE = 200  # modules of a package in another folder: it is then somebody's library, not to be read at each plan
ROUNDS = 8  # how far the identity of a module reaches along its imports


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """A module of a project as it was read from its file; `package` is where its relative imports begin."""

    path: str
    content: bytes
    tree: ast.Module
    package: str
    imports: list[ast.Import | ast.ImportFrom]

    def targets(self) -> Iterator[tuple[ast.alias, str, str]]:
        """What is imported: the alias, what it would be as a module, and the module that it is taken from, or ""."""
        for node in self.imports:
            base = _base(node, self.package) if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield alias, f"{base}.{alias.name}" if base else alias.name, base


def read_project(
    module: str, path: Path, elsewhere: Callable[[str], Path | None] = lambda name: None
) -> dict[str, ModuleSource]:
    """A module, in the file `path`, and the modules of one's own that it imports, by name; each is read once.

    They are those of the same project, and those that `elsewhere` finds in other folders, except those of packages with
    more than LARGE modules. Installed packages are not followed: they are provenance, not code. Nothing is imported:
    names are looked up as files next to the module's top-level package.
    """
    root = project_root(module, path)
    installed = "site-packages" in root.parts or "dist-packages" in root.parts
    large: set[str] = set()
    counts: Counter[str] = Counter()

    def read(name: str) -> ModuleSource | None:
        top = name.partition(".")[0]
        file = _file_of(root, name)
        is_sought = file is None and not installed and top not in large and _file_of(root, top) is None
        if is_sought and (file := elsewhere(name)) is not None:
            counts[top] += 1
            if counts[top] > LARGE:
                large.add(top)
                return None
        is_followed = not installed or top == module.partition(".")[0]
        return _source(name, file) if file is not None and is_followed else None

    while True:
        counts.clear()
        known, found = set(large), _reachable(module, read)
        if known == large:
            return found


def project_root(module: str, path: Path) -> Path:
    """The folder that the modules of the project of `module`, which is in the file `path`, are named from."""
    return path.parents[len(module.split(".")) - (path.name != "__init__.py")]


def code_digest(module: str, project: Mapping[str, ModuleSource]) -> str:
    """12 hex digits over the syntax trees of a trainer's module and of the modules of its project that it imports.

    Comments, layout, docstrings and the names of these modules do not count: a module that is moved or renamed, with
    the imports that name it, leaves the digest as it is.

    >>> path = Path("mine.py")
    >>> _ = path.write_text("def train(params, report):\\n    report(1, {'loss': 0})\\n")
    >>> before = code_digest("mine", read_project("mine", path))
    >>> _ = path.write_text('def train(params, report):\\n    "Train."\\n    report(1, {"loss": 0})  # the end\\n')
    >>> code_digest("mine", read_project("mine", path)) == before
    True
    """
    return _digest(module, _reachable(module, project.get))


def tree_digest(tree: ast.Module) -> str:
    """12 hex digits over the syntax tree of a piece of source, without layout, comments and docstrings."""
    return _hash(*_tree_lines(tree, _ModuleNames(ModuleSource("", b"", tree, "", []), {})))[:12]


def code_digest_before(module: str, project: Mapping[str, ModuleSource]) -> str:
    """The digest that sweeper 0.1.0 wrote into ledgers."""
    return _digest_before(_reachable(module, project.get))


def _digest(module: str, sources: Mapping[str, ModuleSource]) -> str:
    parts = {name: part for name, source in sources.items() if (part := _part(source, sources))}
    # A module is its own text and the modules that it refers to, each of which is known in the same way.
    names = {name: part.text for name, part in parts.items()}
    for _ in range(min(len(parts), ROUNDS)):
        names = {name: part.digest(names) for name, part in parts.items()}
    return _hash(names.get(module, ""), *sorted(names.values()))[:12]


def _digest_before(sources: Mapping[str, ModuleSource]) -> str:
    digest = hashlib.sha256()
    for name, source in sorted(sources.items(), key=lambda item: item[0]):
        digest.update(f"{name}\0".encode())
        digest.update("\n".join(_tree_lines(source.tree, _ModuleNames(source, {}))).encode())
    return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Part:
    """A module of the project without the names of others: the digest of its text, and what that refers to.

    `used` are modules in the order of their use. `imports` are the names taken from them, block by block:
    (name here, name there, module).
    """

    text: str
    used: list[str]
    imports: list[list[tuple[str, str, str]]]

    def digest(self, names: Mapping[str, str]) -> str:
        """The digest of the module when those of the others are `names`."""
        blocks = (sorted(f"{here} {there} {names.get(to, '')}" for here, there, to in block) for block in self.imports)
        return _hash(self.text, *(names.get(module, "") for module in self.used), *map("\n".join, blocks))


def _part(source: ModuleSource, sources: Mapping[str, ModuleSource]) -> _Part | None:
    """What a module adds to the code; None when it has none."""
    names = _ModuleNames(source, sources)
    lines = _tree_lines(source.tree, names)
    if lines == ["Module", "/"]:
        return None
    return _Part(_hash(*lines), names.used, names.imports)


class _ModuleNames:
    """Takes the names of the project's modules out of a tree, and notes which modules they were.

    A name that stands for a module is taken out where it can stand for nothing else in its file. The imports of a block
    of statements count as a set: their order follows the names of the modules.
    """

    def __init__(self, source: ModuleSource, sources: Mapping[str, ModuleSource]) -> None:
        self.sources = sources
        self.used: list[str] = []
        self.imports: list[list[tuple[str, str, str]]] = []
        self.taken: dict[ast.alias, tuple[str, str, str]] = {}  # imports of the project
        self.roots: set[str] = set()  # of modules that are imported by their dotted names
        modules: dict[ast.alias, str] = {}
        for alias, target, base in source.targets():
            if target in sources:
                modules[alias] = target
            elif base in sources:
                self.taken[alias] = (alias.asname or alias.name, alias.name, base)
        bindings = Counter(_bindings(source.tree)) if modules else Counter[str]()
        self.bound: dict[str, str] = {}
        for alias, target in modules.items():
            name = alias.asname or alias.name
            if "." in name:
                self.roots.add(name.partition(".")[0])
            elif bindings[name] == 1:
                self.bound[name] = target
            self.taken[alias] = ("" if name in self.bound or "." in name else name, MODULE, target)

    def take_imports(self, block: list[Any]) -> list[Any]:
        """The statements of a block without its imports of the project, which are noted."""
        noted, others = [], []
        for node in block:
            names = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
            noted += [self.taken[alias] for alias in names if alias in self.taken]
            if not names or any(alias not in self.taken for alias in names):
                others.append(node)
        if noted:
            self.imports.append(noted)
        return others

    def is_module(self, node: ast.AST) -> bool:
        """Whether a node stands for a module of the project, which is noted."""
        module = ""
        if isinstance(node, ast.Name):
            module = self.bound.get(node.id, "")
        elif self.roots and isinstance(node, ast.Attribute) and (dotted := _dotted(node)) in self.sources:
            module = dotted if dotted.partition(".")[0] in self.roots else ""
        if module:
            self.used.append(module)
        return bool(module)


def _bindings(tree: ast.Module) -> Iterator[str]:
    """Every name each time it is bound: by an import, an assignment, an argument, a definition, a handler, a match."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)
            case ast.Name(name, ast.Store() | ast.Del()) | ast.arg(name):
                yield name
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def _dotted(node: ast.expr) -> str:
    """`a.b.c` as text; "" for an expression that is not only names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def _reachable(module: str, read: Callable[[str], ModuleSource | None]) -> dict[str, ModuleSource]:
    """A module and what it imports, directly or not, of all that `read` finds."""
    found: dict[str, ModuleSource] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        source = read(name) if name not in found else None
        if source is not None:
            found[name] = source
            waiting.extend(other for _, target, base in source.targets() for other in (base, target) if other)
    return found


def _source(module: str, file: Path) -> ModuleSource:
    content = file.read_bytes()
    tree = _parse(content)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return ModuleSource(str(file), content, tree, package, imports)


def _parse(source: bytes) -> ast.Module:
    """The tree of a module; one that does not parse counts as empty: importing it fails with Python's own words."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # ValueError: null bytes
        return ast.Module([], [])


def _file_of(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))  # in Python's order
    return next((file for file in candidates if module and file.is_file()), None)


def _base(node: ast.ImportFrom, package: str) -> str:
    """The module that an import is from, in full: relative ones begin at `package`."""
    parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*parents, *([node.module] if node.module else [])])


def _tree_lines(tree: ast.Module, names: _ModuleNames) -> list[str]:
    """A syntax tree as lines that are the same on every Python version: no empty fields, positions or docstrings."""
    lines: list[str] = []
    _add_lines(tree, names, lines)
    return lines


def _add_lines(node: ast.AST, names: _ModuleNames, lines: list[str]) -> None:
    if names.is_module(node):
        lines.append(MODULE)
        return
    lines.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        items = value if isinstance(value, list) else [value]
        if name == "body" and items and _is_docstring(items[0]):
            items = items[1:]
        if names.taken and name in BLOCKS and isinstance(value, list):
            blocks, items = len(names.imports), names.take_imports(items)
            if len(names.imports) > blocks:
                lines.append(IMPORTS)
        for item in items:
            if isinstance(item, ast.AST):
                if item not in names.taken:
                    lines.append(f".{name}")
                    _add_lines(item, names, lines)
            elif item is not None and name not in ("kind", "type_comment"):
                lines.append(f".{name}={item!r}")
    lines.append("/")


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
