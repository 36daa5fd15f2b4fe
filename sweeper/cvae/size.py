"""How many members of a pack pay: measured for a device and a shape, and remembered in the user's cache folder."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from pathlib import Path

import torch

from sweeper.cvae import stack
from sweeper.cvae.config import CVAEConfig
from sweeper.cvae.program import Program
from sweeper.cvae.stack import Stack
from sweeper.cvae.step import WARM_UP, Stepper

MOST = {"cpu": 64, "cuda": 1024}
GROWTH = {"cpu": 2, "cuda": 4}
USEFUL = 0.9  # a larger pack pays if a member's step takes at most this share of what it took before
STEPS = 3


def size_that_pays(program: Program, config: CVAEConfig, shape: str) -> int:
    """The number of members beyond which a member's step gets no cheaper, from the cache or by a probe of seconds."""
    key = " ".join([_device_name(program), f"{torch.get_num_threads()} threads", f"torch {torch.__version__}", shape])
    known = _remembered()
    if isinstance(known.get(key), int) and known[key] > 0:
        return known[key]
    size = measured_size(program, config)
    _remember({**known, key: size})
    return size


def measured_size(program: Program, config: CVAEConfig) -> int:
    """Grows a pack of stand-ins while that makes a member's step usefully cheaper and memory suffices."""
    kind = program.device.type
    size, one = 1, _stand_in(program, config)
    best = _seconds(program, one) / size
    while size * GROWTH[kind] <= MOST[kind]:
        larger = size * GROWTH[kind]
        try:
            taken = _seconds(program, one.select([0] * larger)) / larger
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        if taken > USEFUL * best:
            break
        size, best = larger, taken
    return size


def _stand_in(program: Program, config: CVAEConfig) -> Stack:
    one = stack.member(program, config, seed=0)
    stack.load_stretch(program, one, 0, config, 0, 0)
    return one


def _seconds(program: Program, members: Stack) -> float:
    """The shortest step of a few, after those that warm up: what disturbs a step only lengthens it."""
    stepper, taken = Stepper(program, members), []
    stepper.run(WARM_UP if stepper.records else 1)
    for _ in range(STEPS):
        _wait(program)
        start = time.perf_counter()
        stepper.run(1)
        _wait(program)
        taken.append(time.perf_counter() - start)
    return min(taken)


def _wait(program: Program) -> None:
    if program.device.type == "cuda":
        torch.cuda.synchronize(program.device)


def _device_name(program: Program) -> str:
    if program.device.type == "cuda":
        return torch.cuda.get_device_name(program.device)
    return platform.processor() or platform.machine()


def cache_file() -> Path:
    """Where sizes are remembered: ``$XDG_CACHE_HOME/sweeper/pack_sizes.json``, never in a results folder."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "sweeper" / "pack_sizes.json"


def _remembered() -> dict[str, int]:
    """What the cache says; nothing where it is missing or damaged."""
    try:
        found = json.loads(cache_file().read_text())
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(sizes: dict[str, int]) -> None:
    """Whole or not at all; where the folder cannot be written, the next run measures again."""
    with contextlib.suppress(OSError, RuntimeError):
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(sizes, indent=1))
        beside.replace(path)
