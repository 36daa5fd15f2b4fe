"""Everything that can be known to fail before anything is created or started."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from sweeper.devices import check_cpus, cpus_here, gpu_share, gpus_here
from sweeper.errors import LedgerError, Problem, UsageError
from sweeper.execution.options import Options, Runner
from sweeper.search.searcher import check as check_search
from sweeper.spec.sweep import ADAPTIVE, Sweep


def check(sweep: Sweep, options: Options) -> None:
    """Everything that can be known to fail before anything is created or started. Raises SweeperError."""
    if sweep.method in ADAPTIVE:
        check_search(sweep)
    if options.runner is Runner.RAY and options.address:
        _check_reachable(options.address)
    else:
        gpu_share(sweep.resources.gpu, gpus_here(), sweep.place("resources.gpu"))
        check_cpus(sweep.resources.cpu, cpus_here(), sweep.place("resources.cpu"))
    _check_writable(options.results / sweep.name)


def _check_reachable(address: str) -> None:
    """Refuse a cluster that does not answer: Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, `local`: Ray's own names
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        hint = "start one with `ray start --head`, or leave --address and RAY_ADDRESS out"
        raise UsageError(Problem(f"no Ray cluster answers: {error}", "--address", found=address, hint=hint)) from None


def _check_writable(folder: Path) -> None:
    """Refuse a results folder that cannot be written, before anything is made."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise LedgerError(Problem("the results folder cannot be made", str(folder), found=f"{existing} is a file"))
    if not os.access(existing, os.W_OK | os.X_OK):
        hint = "name another folder with --results"
        raise LedgerError(Problem("the results folder cannot be written", str(existing), hint=hint))
