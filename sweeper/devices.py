"""The devices of this machine, and what a process takes of them: cores, threads, GPUs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sweeper.errors import Problem, UsageError


def gpus_here() -> int:
    """How many CUDA devices this machine offers, without importing torch; CUDA_VISIBLE_DEVICES is honoured."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1", "NoDevFiles")])
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def cpus_here() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def gpu_share(wanted: float | None, available: float, place: str) -> float:
    """GPUs a pack gets: `wanted`, or with None one where there is one. Raises UsageError when there are too few."""
    if wanted is None:
        return 1.0 if available >= 1 else 0.0
    if wanted > available:
        found = f"{wanted:g}, and {available:g} here"
        hint = "set resources.gpu to 0 or auto, or give --address of a cluster that has some"
        raise UsageError(Problem("more GPUs asked for than there are", place, "resources.gpu", found, hint=hint))
    return wanted


def check_cpus(wanted: float, available: float, place: str) -> None:
    """Raise UsageError when no machine has the cores that a pack requests: it would wait forever."""
    if wanted > available:
        found = f"{wanted:g}, and {available:g} here"
        raise UsageError(Problem("more CPU cores asked for than there are", place, "resources.cpu", found))


def limit_threads(threads: int) -> None:
    """Let the numeric libraries use `threads` threads: two trials with all threads each run 20 times slower (seen)."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def device_name() -> str:
    """The device that torch would use here: `cpu`, or the name of the GPU."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch and torch.cuda.is_available() else "cpu"
