"""Imports a trainer from the source that its digest was computed of, whatever has become of its files since.

The driver reads the files of a trainer's project once. What it imports, and what the workers import on any node, are
these bytes: a file that is edited while a sweep runs, or another checkout on a node, changes no trial.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from sweeper.trainer import module_names
from sweeper.trainer.code_digest import ModuleSource, project_root, read_project

CLOCK_S = 2.0  # by how much the clock of a file system and the start of a process may differ


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A module's file as it was read when the sweep was planned."""

    path: str
    content: bytes


PlannedSource = Mapping[str, PlannedFile]  # by the full name of the module


def use(source: PlannedSource) -> None:
    """From now on this process imports these modules as they were planned.

    Those that it imported otherwise before are forgotten, with all that may refer to them. `__file__`, tracebacks and
    `inspect.getsource` are as usual, the latter two of the planned text.
    """
    if source == _FINDER.source:
        return
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    for name in _FINDER.source.keys() - source.keys():
        if isinstance(_loader(name), _PlannedLoader):
            del sys.modules[name]
    loaded = [name for name in source if name in sys.modules]
    if not all(_is_as_planned(name, source[name]) for name in loaded):
        for name in loaded:
            del sys.modules[name]
    _FINDER.source = dict(source)


def allow_imports(folders: Iterable[Path | str]) -> None:
    """Let the modules in these folders be imported: before installed packages, but after Python's own.

    A user's `cmd.py` or `code.py` would else be imported where Python, Ray or pandas mean theirs. Packages that sweeper
    needs keep their names, too (`_NeededFinder`).
    """
    if _NEEDED not in sys.meta_path:
        sys.meta_path.insert(0, _NEEDED)
    wanted = list(dict.fromkeys(str(Path(folder).absolute()) for folder in folders))
    rest = [entry for entry in sys.path if str(Path(entry).absolute()) not in wanted]
    place = max((number for number, entry in enumerate(rest, 1) if module_names.is_pythons(entry)), default=0)
    sys.path[:] = [*rest[:place], *wanted, *rest[place:]]


def locate(module: str) -> Path | None:
    """The source file that `import module` would read; None where there is none. Imports nothing."""
    top, *rest = module.split(".")
    importlib.invalidate_caches()
    finders = (finder for finder in sys.meta_path if finder not in (_FINDER, _NEEDED))
    specs = (finder.find_spec(top, None) for finder in finders if hasattr(finder, "find_spec"))
    spec = next((spec for spec in specs if spec is not None), None)
    if spec is None:
        return None
    for folder in spec.submodule_search_locations or ():
        base = Path(folder, *rest)
        files = (base / "__init__.py", *([base.with_suffix(".py")] if rest else []))
        if found := next((file for file in files if file.is_file()), None):
            return found.absolute()
    is_file = not rest and spec.origin is not None and spec.origin.endswith(".py")
    return Path(str(spec.origin)).absolute() if is_file else None


def own_project(module: str, path: Path) -> dict[str, ModuleSource]:
    """A module, in the file `path`, and the modules of one's own that it imports, wherever these lie."""
    return read_project(module, path, elsewhere())


def elsewhere() -> Callable[[str], Path | None]:
    """Finds modules of one's own by name: on the Python path, or installed to be edited (`pip install -e`)."""
    others = {*sys.stdlib_module_names, module_names.OURS}

    def find(module: str) -> Path | None:
        top = module.partition(".")[0]
        file = locate(module) if top not in others else None
        if file is not None and not module_names.is_own(file, project_root(module, file)):
            others.add(top)
            return None
        return file

    return find


class _PlannedLoader(SourceFileLoader):
    """Loads a module from planned bytes; never from compiled ones, which may be of another moment."""

    def __init__(self, name: str, file: PlannedFile) -> None:
        super().__init__(name, file.path)
        self.file = file

    def get_data(self, path: str) -> bytes:
        return self.file.content if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, object]:
        raise OSError("the planned source has no compiled file")

    def exec_module(self, module: ModuleType) -> None:
        lines = importlib.util.decode_source(self.file.content).splitlines(keepends=True)
        # Without a time of change the entry stays: tracebacks, inspect and what compiles source texts (Triton) read it.
        linecache.cache[self.path] = (len(self.file.content), None, lines, self.path)
        super().exec_module(module)


class _PlannedFinder(MetaPathFinder):
    """Finds the modules of the planned source, before all other finders."""

    def __init__(self) -> None:
        self.source: PlannedSource = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self.source.get(fullname)
        if file is None:
            return None
        return importlib.util.spec_from_file_location(fullname, file.path, loader=_PlannedLoader(fullname, file))


class _NeededFinder(MetaPathFinder):
    """Finds packages that sweeper needs where they are installed, although a file of one's own has such a name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return module_names.needed_spec(fullname) if path is None else None


_FINDER, _NEEDED = _PlannedFinder(), _NeededFinder()


def _loader(name: str) -> object:
    return getattr(sys.modules.get(name), "__loader__", None)


def _is_as_planned(name: str, file: PlannedFile) -> bool:
    """Whether a module that is imported already was made of this file.

    One that others imported was where its file has the planned content, and had it before this process began.
    """
    loader = _loader(name)
    if isinstance(loader, _PlannedLoader):
        return loader.file == file
    try:
        path = Path(str(sys.modules[name].__file__))
        return path.read_bytes() == file.content and path.stat().st_ctime < _process_start() - CLOCK_S
    except OSError:
        return False


def _process_start() -> float:
    import psutil  # here: most commands find nothing imported

    return float(psutil.Process().create_time())
