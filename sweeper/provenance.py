"""Where a result came from: the digest of the trainer's code, the commit, the packages, the machine, the command."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

RECORDED_PACKAGES = ("sweeper", "torch", "ray", "optuna", "mlflow", "pandas", "numpy")
LONGEST_DIFF = 2_000_000  # characters of a patch that are kept
_SECRET = re.compile(r"(?i)([\w.-]*(?:token|password|secret|api_?key)[\w.-]*=)\S+")
_USER_INFO = re.compile(r"(\w+://)[^/@\s]+@")


def session(argv: list[str]) -> dict[str, object]:
    """What is written down of one `sweeper run`: JSON values only, secrets redacted, milliseconds to make."""
    return {
        "command": redact(shlex.join(argv)),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "packages": {name: version for name in RECORDED_PACKAGES if (version := _version(name))},
        "driver": _gpu_driver(),
        "commit": commit(Path.cwd()),
    }


def words(run: Mapping[str, Any]) -> dict[str, str]:
    """What a ledger says of a run, for people: the facts that are there, by name."""
    facts = {name: str(run.get(name) or "") for name in ("command", "commit", "patch", "python", "platform", "driver")}
    for name in ("packages", "data"):
        facts[name] = ", ".join(f"{what} {version}" for what, version in run.get(name, {}).items())
    return {name: text for name, text in facts.items() if text}


def commit(folder: Path) -> str:
    """The commit checked out in `folder`, with `-dirty` where tracked files differ from it; "" outside a repository."""
    git = ("git", "-C", str(folder))
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        if head.returncode != 0:
            return ""
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return head.stdout.strip()[:12] + ("-dirty" if changed.returncode else "")


def patch(folder: Path) -> str:
    """What differs from the commit checked out in `folder`, redacted; "" where nothing does, or without one."""
    git = ("git", "-C", str(folder), "diff", "HEAD")
    try:
        done = subprocess.run(git, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return redact(done.stdout.decode(errors="replace")[:LONGEST_DIFF]) if done.returncode == 0 else ""


def digest(text: str) -> str:
    """12 hex digits that name a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def data_digests(files: Sequence[str]) -> dict[str, str]:
    """12 hex digits over the content of each file that a trainer reads; "" for one that is not there."""
    digests = {}
    for name in files:
        try:
            with Path(name).open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        except OSError:
            digests[name] = ""
    return digests


def _gpu_driver() -> str:
    """NVIDIA's driver in its own words, or ""."""
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return ""


def redact(text: str) -> str:
    """`text` without the values of secrets (`token=...`, `password=...`) and without user names in URLs."""
    return _USER_INFO.sub(r"\1***@", _SECRET.sub(r"\1***", text))


def code_digest(module: str, path: Path) -> str:
    """12 hex digits over the syntax trees of a trainer's module and of the modules of the same project it imports.

    Comments, layout and docstrings do not count. Installed packages are not followed: they are provenance, not code.
    Nothing is imported: names are looked up as files beside the trainer's top-level package.
    """
    digest = hashlib.sha256()
    for name, tree in sorted(_project_modules(module, path).items(), key=lambda item: item[0]):
        digest.update(f"{name}\0".encode())
        digest.update("\n".join(_tree_lines(tree)).encode())
    return digest.hexdigest()[:12]


def _project_modules(module: str, path: Path) -> dict[str, ast.Module]:
    depth = len(module.split(".")) + (path.name == "__init__.py")
    root = path.parents[depth - 1]
    installed = "site-packages" in root.parts or "dist-packages" in root.parts
    found: dict[str, ast.Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file_of(root, name)
        if name in found or file is None or (installed and name.split(".")[0] != module.split(".")[0]):
            continue
        found[name] = _parse(file.read_bytes())
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting.extend(_imported_names(found[name], package))
    return found


def _parse(source: bytes) -> ast.Module:
    """The tree of a module; one that does not parse counts as empty: importing it fails with Python's own words."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def _file_of(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in candidates if module and file.is_file()), None)


def _imported_names(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _tree_lines(node: ast.AST) -> Iterator[str]:
    """A syntax tree as lines that are the same on every Python version: no empty fields, positions or docstrings."""
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        items = value if isinstance(value, list) else [value]
        if name == "body" and items and _is_docstring(items[0]):
            items = items[1:]
        for item in items:
            if isinstance(item, ast.AST):
                yield f".{name}"
                yield from _tree_lines(item)
            elif item is not None and name not in ("kind", "type_comment"):
                yield f".{name}={item!r}"
    yield "/"


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def command_line() -> list[str]:
    """How this process was started, as a person would type it."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
