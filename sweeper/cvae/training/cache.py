"""What was measured on this machine, in the user's cache folder: never in a results folder, and never needed."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from pathlib import Path

import torch

from sweeper.cvae.training.program import Program


def folder() -> Path:
    """``$XDG_CACHE_HOME/sweeper``, by default below ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "sweeper"


def key_of(program: Program, *words: object) -> str:
    """A text that names this device, this PyTorch, and ``words``."""
    device = f"{platform.machine()} CPU of {platform.node()}"
    if program.device.type == "cuda":
        device = torch.cuda.get_device_name(program.device)
    return " ".join(map(str, (device, f"{torch.get_num_threads()} threads", f"torch {torch.__version__}", *words)))


def remembered(key: str) -> int | None:
    """The whole number kept under ``key``; None where there is none, or the file is missing or damaged."""
    value = _all().get(key)
    return value if isinstance(value, int) and value > 0 else None


def remember(key: str, value: int) -> None:
    """Keeps a number, whole or not at all; where the folder cannot be written, the next run measures again."""
    with contextlib.suppress(OSError, RuntimeError):
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps({**_all(), key: value}, indent=1))
        beside.replace(path)


def _file() -> Path:
    return folder() / "measured.json"


def _all() -> dict[str, object]:
    try:
        found = json.loads(_file().read_text())
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}
