"""Whose a module's name is: Python's own, that of a package which sweeper needs, or free for a file of one's own.

Imports nothing. A file of one's own called `torch.py` or `random.py` would be imported where Ray or pandas mean theirs.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

OURS = "sweeper"


def is_pythons(entry: str) -> bool:
    """Whether a folder of the path holds modules of Python itself."""
    own = _pythons_folders()
    return bool(entry) and (entry in own or str(Path(entry).parent) in own) and not holds_packages(entry)


@cache
def _pythons_folders() -> frozenset[str]:
    """Looked up once: sysconfig expands all of its variables for each, and this is asked before every trial."""
    return frozenset(map(sysconfig.get_path, ("stdlib", "platstdlib")))


def is_installed(entry: str) -> bool:
    """Whether a folder of the path is Python's or one of packages."""
    return is_pythons(entry) or holds_packages(entry) or Path(entry).name == "bin" or entry.endswith(".zip")


def holds_packages(entry: str) -> bool:
    """Whether packages are installed into a folder of the path."""
    return Path(entry).name in ("site-packages", "dist-packages")


def users_folders() -> list[str]:
    """The folders of this process that modules are imported from and that are neither Python's nor of packages."""
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = ["", *(entry for entry in sys.path if not is_installed(entry)), *named]
    return list(dict.fromkeys(str(Path(folder).absolute()) for folder in folders))


def own_file(module: str, *, or_folder: bool = False) -> Path | None:
    """A file of one's own, in the folders that modules are imported from, that has the name of a module at the top.

    A folder without an `__init__.py` hides no module of this name, and is hidden by one.
    """
    spec = PathFinder.find_spec(module, users_folders())
    if spec is None or spec.origin is not None or not or_folder:
        return Path(spec.origin) if spec is not None and spec.origin is not None else None
    return next((Path(folder) for folder in spec.submodule_search_locations or ()), None)


def taken(files: Mapping[str, str]) -> tuple[str, str]:
    """The first of one's own files, by module, with the name of a module of others, and whose that is; or ""."""
    for module, file in files.items():
        if owner := _owner(module.partition(".")[0], Path(file)):
            return file, owner
    return "", ""


def is_own(file: Path, root: Path) -> bool:
    """Whether a file, imported from the folder `root`, is neither Python's nor of an installed package."""
    others = any(is_pythons(str(folder)) or holds_packages(str(folder)) for folder in file.parents)
    return not others and next(root.glob("*.dist-info"), None) is None


def needed_spec(module: str) -> ModuleSpec | None:
    """Where a package at the top that sweeper needs is installed, if a file of one's own has its name."""
    return _installed_spec(module) if own_file(module) else None


def _installed_spec(module: str) -> ModuleSpec | None:
    found = PathFinder.find_spec(module, [entry for entry in sys.path if holds_packages(entry)])
    return found if found and found.loader is not None and module in needed_modules() else None


def _owner(top: str, file: Path) -> str:
    if any(is_pythons(str(folder)) or holds_packages(str(folder)) for folder in file.parents):
        return ""
    if top in sys.stdlib_module_names:
        return "a module of Python itself"
    if top == OURS:
        return "" if file.is_relative_to(Path(__file__).parents[1]) else "sweeper itself"
    return f"the package {top}, which sweeper needs" if _installed_spec(top) else ""


@cache
def needed_modules() -> frozenset[str]:
    """The modules at the top of the packages that sweeper needs, directly or not (0.3 s: asked at a clash only)."""
    waiting, seen, modules = [OURS], set(), set()
    while waiting:
        name = waiting.pop()
        if (folded := re.sub(r"[-_.]+", "-", name).lower()) in seen:
            continue
        seen.add(folded)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        modules |= set(_top_modules(folded, package))
        needs = (need for need in package.requires or () if "extra ==" not in need)
        waiting += [match[0] for need in needs if (match := re.match(r"[\w.-]+", need))]
    return frozenset(modules)


def _top_modules(name: str, package: metadata.Distribution) -> Iterable[str]:
    files = package.files
    if not files:  # some tools that install packages keep no list of them
        return [name.replace("-", "_"), *(package.read_text("top_level.txt") or "").split()]
    single = (file.parts[0][:-3] for file in files if len(file.parts) == 1 and file.suffix == ".py")
    return [*single, *(file.parts[0] for file in files if len(file.parts) == 2 and file.name == "__init__.py")]
