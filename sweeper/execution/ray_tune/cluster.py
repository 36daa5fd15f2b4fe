"""The Ray that packs run on: a cluster that is there, or one of our own for the length of a run.

Starting one is waiting for its processes, three seconds of it. Meanwhile this process imports Ray Tune, and the workers
import what they will need.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import logging
import math
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
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
# Packs train in a thread of a worker, and glibc gives back the memory that a thread's own arena has free: with long
# traces a fifth of a step was page faults. In the one arena of the process it is kept.
os.environ.setdefault("MALLOC_ARENA_MAX", "1")

import ray

from sweeper.devices import cpus_here, gpu_share, gpus_here
from sweeper.errors import Exit, LedgerError, Problem, ScheduleError, UsageError
from sweeper.execution.ray_tune import reaper
from sweeper.execution.ray_tune.daemons import detached, without_services
from sweeper.execution.ray_tune.head_watch import HeadLost, HeadWatch, raylets
from sweeper.execution.ray_tune.session_folder import session_folder, use_own_token
from sweeper.execution.runner import PackResources, Source
from sweeper.execution.signals import restore
from sweeper.execution.worker.output_capture import captured
from sweeper.trainer.planned_source import PlannedSource

WORKER, TUNE = "sweeper.execution.ray_tune.worker", "sweeper.execution.ray_tune.runner"


def run_on_ray(
    source: Source,
    share: PackResources,
    address: str | None,
    folder: Path,
    code: PlannedSource,
    imports: Sequence[str] = (),
    show_activity: Callable[[str], None] = lambda text: None,
) -> None:
    """Run the source's packs on a Ray cluster, or without an address on a Ray of our own, until it is done.

    Workers import the trainer from `code`. Those of our own import the modules `imports` while they wait: none that
    looks at its devices on import, for they have no GPU of their own yet. `show_activity` receives what the run waits
    for until the first trial trains. Everything that Ray prints goes to `folder`/ray.log. Raises UsageError when the
    cluster lacks the GPUs or cannot be reached, ScheduleError when Ray itself breaks, or its head or raylet is lost.

    All calls of Ray are made in a thread of their own. In the main thread ray.init would take SIGTERM for itself, and
    Tune SIGUSR1. Without its head Tune blocks within seconds, so that only another thread can end the run.
    """
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in stops}
    storage = folder / ".ray"  # Tune insists on a place for its own state; nothing is ever read from it
    os.environ.update(RAY_preload_python_modules=",".join([WORKER, *imports]))  # Ray's name, in Ray's letters
    head, done = HeadWatch(address or ""), Future[None]()  # of our own Ray it is known once that has started
    with captured(folder / "ray.log"), contextlib.nullcontext() if address else reaper.watched():
        try:
            arguments = (done, head, source, share, code, address, storage, show_activity)
            threading.Thread(target=_work, args=arguments, name="sweeper-ray", daemon=True).start()
            while not done.done():
                head.check()
                restore(handlers)  # on its way ray.init puts a handler of C++ on SIGTERM that aborts
                wait([done], timeout=0.05)
            done.result()
        except HeadLost as error:
            atexit.register(_leave, error.exit_code)
            raise
        finally:
            restore(handlers)
            shutil.rmtree(storage, ignore_errors=True)


def _leave(code: Exit) -> None:
    """End this process before Ray and Tune, whose own ends wait for the lost head until Ray aborts after a minute."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _work(
    done: Future[None],
    head: HeadWatch,
    source: Source,
    share: PackResources,
    code: PlannedSource,
    address: str | None,
    storage: Path,
    show_activity: Callable[[str], None],
) -> None:
    """Connect, run packs until there are none, and disconnect; an error becomes that of `done`."""
    is_done = False
    try:
        while not is_done:
            show_activity(f"connecting to Ray at {address}" if address else "starting Ray")
            _connect_and_import(address, share)
            if not address:
                head.address, head.own = ray.get_runtime_context().gcs_address, raylets()
            is_done = source.is_done() or _run_packs(source, share, code, storage, show_activity, grows=bool(address))
            head.address, head.own = address or "", ()
            _disconnect()
    except (LedgerError, UsageError) as error:  # not of Ray: it is shut down before its daemons are ended
        head.address, head.own = address or "", ()
        if ray.is_initialized():
            _disconnect()
        done.set_exception(error)
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(None)


def _connect_and_import(address: str | None, share: PackResources) -> None:
    importing = threading.Thread(target=importlib.import_module, args=(TUNE,))
    importing.start()
    _connect(address, share)
    importing.join()


def _run_packs(
    source: Source,
    share: PackResources,
    code: PlannedSource,
    storage: Path,
    show_activity: Callable[[str], None],
    *,
    grows: bool,
) -> bool:
    from sweeper.execution.ray_tune import runner

    if not grows:
        runner.lighten_tune()
    return runner.run_packs(source, share, code, storage, show_activity, grows=grows)


def _connect(address: str | None, share: PackResources) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            use_own_token()
            place = session_folder()
            with detached(), without_services():
                ray.init(address="local", num_cpus=_cores(share), include_dashboard=False, _temp_dir=place, **quiet)
    except UsageError:
        raise
    except Exception as error:
        hint = "does it require a token (Ray's default)? then set RAY_AUTH_MODE=token, on this machine too"
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
        ray.shutdown()
    finally:
        gc.enable()
