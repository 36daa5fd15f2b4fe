"""How large a job a sweep asks a cluster manager for: packs, cores and GPUs per node, and time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweeper.spec.sweep import Sweep

END_S = 600.0  # beyond budget.wall: starting Ray, checkpoints, MLflow


@dataclass(frozen=True, slots=True)
class JobShape:
    """What each of `nodes` nodes needs.

    `packs` is how many packs of trials it trains at once, `cpus` how many whole cores these need; None where
    `resources.max_concurrent` is auto. `gpus` is 0 where trials use none; None where `resources.gpu` is auto.
    `wall_s` is how long the job may take, None without `budget.wall`.
    """

    nodes: int
    packs: int | None
    cpus: int | None
    gpus: int | None
    wall_s: float | None


def job_shape(sweep: Sweep, nodes: int) -> JobShape:
    """The shape of a job on so many nodes."""
    wanted, gpu = sweep.resources, sweep.resources.gpu
    packs = math.ceil(wanted.max_concurrent / nodes) if wanted.max_concurrent else None
    cpus = None if packs is None else math.ceil(packs * wanted.cpu)
    wall = None if sweep.budget.wall_s is None else sweep.budget.wall_s + END_S
    return JobShape(nodes, packs, cpus, None if gpu is None else gpus_for(packs or 1, gpu), wall)


def gpus_for(packs: int, gpu: float) -> int:
    """Whole GPUs for so many packs of `gpu` each: a pack that needs less than one never spans two."""
    if gpu == 0:
        return 0
    return math.ceil(packs / math.floor(1 / gpu)) if gpu <= 1 else math.ceil(packs * gpu)
