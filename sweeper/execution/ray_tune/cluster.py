"""The Ray that packs run on: a cluster that is there, or one of our own for the length of a run.

Starting one is waiting for its processes, three seconds of it. Meanwhile this process imports Ray Tune, and the workers
import what they will need.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import math
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

# Read by Ray when it is imported, or by the processes it starts.
os.environ.update(
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",
    TUNE_GLOBAL_CHECKPOINT_S="86400",
    TUNE_WARN_THRESHOLD_S="3600",
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="1",  # a worker without a GPU share sees no GPU
    RAY_USAGE_STATS_ENABLED="0",
    PL_DISABLE_FORK="1",  # see runner.lighten_tune
)

import psutil
import ray

from sweeper.devices import cpus_here, gpu_share, gpus_here
from sweeper.errors import Problem, ScheduleError, UsageError
from sweeper.execution.ray_tune import head_watch, reaper
from sweeper.execution.runner import PackResources, Source
from sweeper.execution.signals import restore
from sweeper.execution.worker.output_capture import captured
from sweeper.planned_source import PlannedSource

WORKER, TUNE = "sweeper.execution.ray_tune.worker", "sweeper.execution.ray_tune.runner"


def run_on_ray(
    source: Source,
    share: PackResources,
    address: str | None,
    folder: Path,
    die: Callable[[ScheduleError], None],
    code: PlannedSource,
    imports: Sequence[str] = (),
) -> None:
    """Run the source's packs on a Ray cluster, or without an address on a Ray of our own, until it is done.

    Workers import the trainer from `code`. Those of our own import the modules `imports` while they wait: none that
    looks at its devices on import, for they have no GPU of their own yet. Everything that Ray prints goes to
    `folder`/ray.log. Raises UsageError when the cluster lacks the GPUs or cannot be reached, ScheduleError when Ray
    itself breaks; `die` is called with one when Ray does not even return.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    storage = folder / ".ray"  # Tune insists on a place for its own state; nothing is ever read from it
    os.environ.update(RAY_preload_python_modules=",".join([WORKER, *imports]))  # Ray's name, in Ray's letters
    with captured(folder / "ray.log"), contextlib.nullcontext() if address else reaper.watched():
        try:
            # In the main thread ray.init takes SIGTERM for itself and ends this process with exit code 15. The thread
            # that it is called in must last: Linux ends the processes of Ray together with the thread that made them.
            with ThreadPoolExecutor(2) as starter, head_watch.watched(address or "", die):
                while not _run_packs(source, share, code, address, starter, storage, handlers):
                    _disconnect()
            _disconnect()  # not after an error: without its head Ray waits here for a minute, and our end is its end
        finally:
            restore(handlers)
            shutil.rmtree(storage, ignore_errors=True)


def _run_packs(
    source: Source,
    share: PackResources,
    code: PlannedSource,
    address: str | None,
    starter: ThreadPoolExecutor,
    storage: Path,
    handlers: dict[signal.Signals, Any],
) -> bool:
    connected = starter.submit(_connect, address, share)
    starter.submit(importlib.import_module, TUNE)  # what goes wrong here is raised again below
    while not connected.done():
        restore(handlers)  # on its way Ray's C++ puts a handler on SIGTERM that aborts
        wait([connected], timeout=0.05)
    restore(handlers)
    connected.result()
    from sweeper.execution.ray_tune.runner import lighten_tune, run_packs

    if not address:
        lighten_tune()
    return run_packs(source, share, code, storage, handlers, grows=bool(address))


def _connect(address: str | None, share: PackResources) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", num_cpus=_cores(share), include_dashboard=False, **quiet)
    except Exception as error:
        hint = "does it ask for a token (Ray's default)? then set RAY_AUTH_MODE=token, on this machine too"
        if address:
            raise UsageError(
                Problem(f"no Ray cluster answers: {error}", "--address", found=address, hint=hint)
            ) from error
        raise ScheduleError(Problem(f"Ray did not start: {error}")) from error


def _cores(share: PackResources) -> int:
    """The cores that packs can use at once: for each one Ray starts a worker, and every worker imports."""
    gpus, cores = gpu_share(share.gpu, gpus_here(), share.place), cpus_here()
    packs = min(share.max_concurrent or math.inf, gpus_here() / gpus if gpus else math.inf)
    return int(min(cores, math.ceil(packs * share.cpu) if packs < math.inf else cores))


def _disconnect() -> None:
    """Shut our side of Ray down. Ray once ended this process at once here, while the mirror's thread was busy: it does
    so when a thread frees one of its objects meanwhile, as garbage of a cycle, which seems the likely cause."""
    gc.disable()
    try:
        _end_autoscaler()
        ray.shutdown()
    finally:
        gc.enable()


def _end_autoscaler() -> None:
    """End the process that would ask for further machines: it lets Ray wait for a second after it was told to end."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(word.endswith("autoscaler/_private/monitor.py") for word in child.cmdline()):
                child.kill()
