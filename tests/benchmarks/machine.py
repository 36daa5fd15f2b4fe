"""What the benchmarks ran on: nothing that names the machine or its folders."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from sweeper import provenance

ROOT = Path(__file__).parents[2]
PACKAGES = ("torch", "ray", "optuna", "mlflow", "hydra-core", "hydra-joblib-launcher", "joblib", "pandas", "numpy")


def described() -> dict[str, object]:
    """The processor, its cores, the memory, the GPUs, the versions, when and on what commit."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpus": _gpus(),
        "platform": platform.system() + " " + platform.release().split("-")[0],
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES if _is_there(name)},
        "commit": commit(),
        "date": now(),
        "load": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit measured, with -dirty where tracked files other than these results differ from it."""
    compare = ["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", ".", ":!results/benchmarks"]
    is_dirty = subprocess.run(compare).returncode != 0
    return provenance.commit(ROOT).removesuffix("-dirty") + "-dirty" * is_dirty


def now() -> str:
    """The time, UTC, to the minute."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpus() -> list[str]:
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
    except (OSError, subprocess.CalledProcessError):
        return []


def _is_there(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
