"""Everything that can be known to fail before anything is created or started."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sweeper.devices import check_cpus, cpus_here, gpu_share, gpus_here
from sweeper.errors import ContractError, LedgerError, Problem, SweeperError, UsageError
from sweeper.execution.options import Options, Runner
from sweeper.execution.ray_tune import head_watch
from sweeper.execution.run import nothing_left
from sweeper.execution.signals import in_thread
from sweeper.execution.worker.isolation import isolated
from sweeper.ledger.paths import check_local
from sweeper.planning.plan import Plan
from sweeper.planning.sweep_trainer import trainer_needed
from sweeper.redaction import MASK
from sweeper.search import prior
from sweeper.spec.sweep import ADAPTIVE, Budget, Sweep
from sweeper.trainer import given, loading, program
from sweeper.trial import Params, canonical_json

STORAGE_WAIT_S, LONGEST_WAIT_S = 120.0, 15.0
LOG_INS = "log-ins come from the environment (AWS_ACCESS_KEY_ID ...); without storage: a node keeps its own"
MOST_SHAPES = 4  # models that are tried: each takes up to a second


def check(plan: Plan, options: Options, show: Callable[[str], None] = lambda text: None) -> None:
    """Everything that can be known to fail before anything is created or started. Raises SweeperError."""
    check_local(options.results)
    address = options.address if options.runner is Runner.RAY else None
    at_once = 1 if options.runner is Runner.INPROCESS else options.max_concurrent
    if problems := refusals(plan, address, options.results, extend=options.extend, at_once=at_once):
        raise UsageError(*problems)
    _check_runner(plan.sweep, options.runner)
    if address:
        _check_reachable(address)
    _check_writable(plan, options.results)
    _check_storage(plan.sweep, STORAGE_WAIT_S if plan.ledger_bytes else 0.0, show)


def refusals(
    plan: Plan, address: str | None, results: Path | None = None, *, extend: bool = False, at_once: int | None = None
) -> list[Problem]:
    """Why a run of this plan would be refused, on this machine or, with an address, on a cluster.

    ``results`` is the folder of the run; None where only the file is checked. ``at_once`` packs run at once; None: as
    many as the sweep file allows, or there are cores for.
    """
    sweep, problems = plan.sweep, []
    if sweep.trainer is None:
        problems.append(trainer_needed(sweep))
    if not plan.complete and (sweep.method not in ADAPTIVE or sweep.budget == Budget()):
        hint = "add e.g. `budget: {trials: 50}`"
        problems.append(Problem("this search needs a budget", sweep.place("method"), "budget.trials", hint=hint))
    if plan.hides is not None and not extend:
        problems.append(plan.hides)
    problems += prior.missing(sweep, results) if results is not None else ()
    for passes in (_check_search, _check_server, *(() if address else (_check_gpus, _check_cores, _check_program))):
        try:
            passes(sweep)
        except SweeperError as error:
            problems += error.problems
    if not problems and not address:
        problems += _memory_refusals(plan, at_once)
    return problems + ([] if problems else list(_model_refusals(plan)))


def _memory_refusals(plan: Plan, at_once: int | None) -> Iterator[Problem]:
    """Why trials of a bundled trainer do not fit the memory of this machine, by an estimate from their settings."""
    sweep, resources = plan.sweep, plan.sweep.resources
    if sweep.trainer not in loading.BUNDLED:
        return
    packs = at_once or resources.max_concurrent or max(1, int(cpus_here() // max(resources.cpu, 0.01)))
    packs = min(packs, math.ceil(max(1, plan.expected) / (resources.pack or 1)))
    varied = [one.name for one in sweep.space.parameters if one.name.startswith(("task.", "model.", "train."))]
    trials: list[Params] = [trial.params for trial in plan.to_run] or ([] if plan.items else [sweep.base])
    shapes = {canonical_json({name: params.get(name) for name in varied}): params for params in trials}
    check = importlib.import_module(f"sweeper.{sweep.trainer}.memory.check")
    found = check.refused(shapes.values(), resources.pack, gpu_share(resources.gpu, gpus_here(), ""), packs)
    if found is not None:
        place = sweep.place(found.key)
        yield Problem("this training does not fit memory", place, found.key, found.found, found.allowed, found.hint)


def _model_refusals(plan: Plan) -> Iterator[Problem]:
    """Why a trainer that tries its model out refuses it: `train.preflight(params, pack)` raises ContractError.

    It is called for the first trial of each shape, with the size of packs that the file asks for, or None.
    """
    sweep = plan.sweep
    shapes: dict[str, Params] = {}
    if (
        sweep.trainer is None
        or sweep.trainer in loading.BUNDLED
        or sweep.trainer.startswith((program.PREFIX, given.LOOP))
    ):
        return
    function = loading.load(sweep.trainer)
    if (preflight := getattr(function, "preflight", None)) is None:
        return
    trials: list[Params] = [trial.params for trial in plan.to_run] or ([] if plan.items else [sweep.base])
    for params in trials:
        fixed = {name: params.get(name) for name in getattr(function, "fixed", ())}
        shapes.setdefault(canonical_json(fixed), params)
    for params in list(shapes.values())[:MOST_SHAPES]:
        try:
            with isolated(), contextlib.redirect_stdout(sys.stderr):
                preflight(params, sweep.resources.pack)
        except ContractError as error:
            yield Problem(str(error), sweep.place("trainer"), "trainer", sweep.trainer)
            return
        except Exception:  # its trials fail by it, with a log; here something may be missing that a worker has
            return


def _check_program(sweep: Sweep) -> None:
    is_program = sweep.trainer is not None and sweep.trainer.startswith(program.PREFIX)
    if is_program and (missing := program.not_installed(str(sweep.trainer))):
        hint = "install it, or name the path of another; --address runs it on a cluster that has it"
        raise UsageError(Problem("no such program here", sweep.place("trainer"), "trainer.command", missing, hint=hint))


def _check_search(sweep: Sweep) -> None:
    if sweep.method in ADAPTIVE:
        from sweeper.search.searcher import check  # here: it imports Optuna

        check(sweep)


def _check_runner(sweep: Sweep, runner: Runner) -> None:
    if runner is Runner.RAY and sweep.trainer is not None and given.kept(sweep.trainer) is not None:
        hint = 'put it into a file and name it, trainer="my_module:train", or train here: runner="inprocess"'
        message = "no worker could import this function: it is in no file"
        raise UsageError(Problem(message, sweep.place("trainer"), "trainer", sweep.trainer, hint=hint))


def _check_gpus(sweep: Sweep) -> None:
    gpu_share(sweep.resources.gpu, gpus_here(), sweep.place("resources.gpu"))


def _check_cores(sweep: Sweep) -> None:
    check_cpus(sweep.resources.cpu, cpus_here(), sweep.place("resources.cpu"))


def _check_server(sweep: Sweep) -> None:
    if sweep.tracking.uri and MASK in sweep.tracking.uri:
        hint = "write it again; for a server over HTTP leave it out and set MLFLOW_TRACKING_USERNAME and _PASSWORD"
        where, found = sweep.place("tracking.uri"), sweep.tracking.uri
        raise UsageError(Problem("the log-in of this address was not kept", where, "tracking.uri", found, hint=hint))


def _check_reachable(address: str) -> None:
    """Refuse what is no address, and a cluster that does not answer: Ray itself tries for minutes."""
    if not re.fullmatch(r"auto|local|.*://.*|.+:\d+", address):
        hint, allowed = "it is given by --address or RAY_ADDRESS", "HOST:PORT, ray://HOST:PORT or auto"
        raise UsageError(Problem("not the address of a Ray cluster", "--address", "", address, allowed, hint))
    try:
        head_watch.connect(address, 5)
    except OSError as error:
        hint = "start one with `ray start --head`, or leave --address and RAY_ADDRESS out"
        raise UsageError(Problem(f"no Ray cluster answers: {error}", "--address", found=address, hint=hint)) from None


def _check_storage(sweep: Sweep, limit_s: float, show: Callable[[str], None]) -> None:
    """Refuse a storage that takes no file; a sweep that goes on waits for it, for it has taken files before."""
    if not sweep.storage:
        return None
    from sweeper.execution.worker.storage import Storage, below  # here: it imports pyarrow

    until, wait_s = time.monotonic() + limit_s, 0.0
    while True:
        try:
            return in_thread(lambda: Storage.at(below(sweep.storage, sweep.name)).check())
        except (OSError, ValueError) as error:
            message = f"the storage cannot be used: {' '.join(str(error).split())[:200]}"
            if time.monotonic() >= until:
                hint = f"tried for {limit_s:.0f} s; run the same command when it answers" if limit_s else LOG_INS
                problem = Problem(message, sweep.place("storage"), "storage", sweep.storage, hint=hint)
                raise UsageError(problem) from None
            if not wait_s:
                show(f"{message}; tried again for up to {limit_s:.0f} s")
            wait_s = min(2 * wait_s + 1.0, LONGEST_WAIT_S)
            time.sleep(wait_s)


def _check_writable(plan: Plan, results: Path) -> None:
    """Refuse a results folder that cannot be written, before anything is made, unless nothing is to be written."""
    folder = results / plan.sweep.name
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise LedgerError(Problem("the results folder cannot be made", str(folder), found=f"{existing} is a file"))
    if not os.access(existing, os.W_OK | os.X_OK) and not nothing_left(plan, results):
        hint = "name another folder with --results"
        raise LedgerError(Problem("the results folder cannot be written", str(existing), hint=hint))
