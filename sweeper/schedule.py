"""Packs on devices: what a runner is, and the one that runs packs here, in this process, one after the other.

A runner asks its source for packs and tells it what happens; it decides nothing. The other runner is Ray Tune's, in
`schedule_ray.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sweeper import pack
from sweeper.attempt import Job
from sweeper.errors import Problem, UsageError
from sweeper.trial import Event


@dataclass(frozen=True, slots=True)
class Pack:
    """Attempts that share a process and a device; lost together when that process dies."""

    number: int
    jobs: tuple[Job, ...]


class Source(Protocol):
    """Who hands packs out and hears what became of them. Called from one thread."""

    def next_pack(self) -> Pack | None:
        """The next pack, or None when there is none right now."""

    def is_done(self) -> bool:
        """Whether there is no pack now and none will come, whatever happens to the running ones."""

    def is_cancelled(self) -> bool:
        """Whether running packs are to stop now."""

    def record(self, event: Event) -> None:
        """Something happened to a member of a pack."""

    def lost(self, pack: Pack, reason: str) -> None:
        """The process of a pack is gone; members that have not ended are lost with it."""

    def closed(self, pack: Pack) -> None:
        """A pack is over."""


def run_in_process(source: Source) -> None:
    """Run packs one after the other until the source is done or cancelled."""
    while not source.is_done() and not source.is_cancelled():
        offered = source.next_pack()
        if offered is None:
            break
        pack.run(offered.jobs, source.record, source.is_cancelled)
        source.closed(offered)


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
    """Raise UsageError when no machine has the cores that a pack asks for: it would wait for ever."""
    if wanted > available:
        found = f"{wanted:g}, and {available:g} here"
        raise UsageError(Problem("more CPU cores asked for than there are", place, "resources.cpu", found))
