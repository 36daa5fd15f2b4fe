"""Where a result came from: the commit, the packages, the machine, the command."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from sweeper.redaction import clean_patch, redact

RECORDED_PACKAGES = ("sweeper", "torch", "ray", "optuna", "mlflow", "pandas", "numpy")
LONGEST_DIFF = 2_000_000  # characters of a patch that are kept


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


def facts(run: Mapping[str, Any]) -> dict[str, str]:
    """The ledger's record of a run, for people: the facts that are there, by name."""
    facts = {name: str(run.get(name) or "") for name in ("command", "commit", "patch", "python", "platform", "driver")}
    if left_out := run.get("patch_without"):
        facts["patch"] += f", without {', '.join(map(str, left_out))}: may hold secrets"
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


def patch(folder: Path) -> tuple[str, list[str]]:
    """What differs from the commit checked out in `folder`, and the files that were left out: they may hold secrets.

    The patch is "" where nothing differs, or without a commit.
    """
    plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
    try:
        done = subprocess.run(("git", "-C", str(folder), "diff", *plain, "HEAD"), capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "", []
    return clean_patch(done.stdout.decode(errors="replace")[:LONGEST_DIFF]) if done.returncode == 0 else ("", [])


def digest(text: str) -> str:
    """12 hex digits that name a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def data_digests(files: Iterable[str]) -> dict[str, str]:
    """12 hex digits over the content of each file that a trainer reads; "" for one that is not there."""
    return {name: _file_digest(name) for name in files}


def _file_digest(name: str) -> str:
    try:
        path, stat = Path(name).absolute(), Path(name).stat()
        return _content_digest(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=1024)  # a worker asks before and after every trial, of files that may have gigabytes
def _content_digest(path: Path, *version: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _gpu_driver() -> str:
    """NVIDIA's driver in its own words, or ""."""
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def command_line() -> list[str]:
    """How this process was started, as a person would type it."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
