"""How much memory a device has left: of this machine or the container it runs in, and of a GPU without torch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

CONTROL_GROUPS = (  # the limit of a container and what it uses: version 2, then 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


def cpu_bytes() -> float | None:
    """What new tensors can use here without swapping, as Linux estimates it; None where that is not known."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * float(fields["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None
    return min([free, *(left for files in CONTROL_GROUPS if (left := _left(*files)) is not None)])


def _left(limit: str, used: str, statistics: str) -> float | None:
    """What a control group may still use; the cache of files is given back when it is needed."""
    try:
        most, taken = float(Path(limit).read_text()), float(Path(used).read_text())  # "max" where there is no limit
        fields = dict(line.split() for line in Path(statistics).read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(0.0, most - taken + float(fields.get("inactive_file", 0)))


def gpu_bytes() -> float | None:
    """The most that one of the visible GPUs has free, by the driver's own program; None where that is not known."""
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        command.append(f"--id={visible}")
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return 2**20 * max(float(line) for line in out.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
