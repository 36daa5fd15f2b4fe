"""The sbatch script of a sweep."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from sweeper.execution.cluster_jobs.shape import JobShape, job_shape
from sweeper.spec.sweep import Sweep

DEFAULT_S = 24 * 3600.0  # without budget.wall: a requeued job goes on, so that any time will do


def sbatch_script(sweep: Sweep, command: str, nodes: int, folder: Path) -> str:
    """The script that runs `command` (a `sweeper run`, as a shell reads it) in `folder` on so many nodes.

    The programs are those of the Python that runs this.
    """
    shape = job_shape(sweep, nodes)
    parts = {
        "NAME": re.sub(r"[^A-Za-z0-9._-]", "-", sweep.name),
        "NODES": str(nodes),
        "RESOURCES": "\n".join(_resources(shape)),
        "TIME": _time(shape.wall_s or DEFAULT_S),
        "PROGRAMS": shlex.quote(str(Path(sys.executable).parent)),
        "FOLDER": shlex.quote(str(folder)),
        "COMMAND": command,
    }
    text = Path(__file__).with_name("slurm.sh").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda match: parts[match[1]], text)


def _resources(shape: JobShape) -> list[str]:
    """What each node has to have."""
    if shape.packs is None:
        return [
            "# resources.max_concurrent is auto, as many packs as fit: whole nodes, with all their cores and GPUs.",
            "#SBATCH --exclusive",
            "#SBATCH --mem=0",
        ]
    lines = [
        f"# Per node: {shape.packs} packs at once, by resources.max_concurrent; the memory is the partition's default."
    ]
    lines += [f"#SBATCH --cpus-per-task={shape.cpus}"]
    if shape.gpus is None:
        lines += [
            "# resources.gpu is auto: a GPU for each pack where there are some. To ask for them, take one # away:"
        ]
        lines += [f"##SBATCH --gpus-per-node={shape.packs}"]
    elif shape.gpus:
        lines += [f"#SBATCH --gpus-per-node={shape.gpus}"]
    return lines


def _time(seconds: float) -> str:
    """As SLURM writes it: days-hours:minutes:seconds."""
    minutes = -int(-seconds // 60)
    return f"{minutes // 1440}-{minutes // 60 % 24:02}:{minutes % 60:02}:00"
