"""A trial trained by itself: the call of a trainer `function(params, report)`, and what it is given besides."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.devices import device_name, limit_threads
from sweeper.execution.worker import checkpoints
from sweeper.execution.worker.attempt import Attempt, Stopped
from sweeper.execution.worker.isolation import forks_end_here, isolated
from sweeper.execution.worker.job import Driver, Job
from sweeper.trainer import loading


def run(job: Job, driver: Driver) -> None:
    """Make the attempt; every outcome is sent as an event, a cancelled attempt sends no end. Raises nothing else."""
    attempt = Attempt(job, driver)
    with attempt.outcome():
        limit_threads(job.threads)
        function = loading.load(job.target)
        limit_threads(job.threads)
        attempt.start(device_name())
        if attempt.is_going:
            arguments, params = extras(function, attempt), copy.deepcopy(job.params)
            with isolated(job.params.get("seed")), forks_end_here():
                returned = function(params, attempt.report, **arguments)
            attempt.finish(returned)


def extras(function: Callable[..., object], attempt: Attempt) -> dict[str, object]:
    """What a trainer takes besides settings and report: `directory`, made, and `checkpoint`; a command has more."""
    try:
        wanted = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    offered: dict[str, object] = {"directory": attempt.job.directory, "checkpoint": _Raising(attempt)}
    offered["is_cancelled"] = attempt.driver.is_cancelled
    offered["checkpoint_directory"] = attempt.job.directory / checkpoints.FOLDER / checkpoints.PROGRAM
    given = {name: thing for name, thing in offered.items() if name in wanted}
    if "directory" in given:
        attempt.job.directory.mkdir(parents=True, exist_ok=True)
    return given


@dataclass(frozen=True, slots=True)
class AttemptCheckpoint:
    """The checkpoint of an attempt, which is over, without an end, when a save returns stop: the next run goes on."""

    attempt: Attempt

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        return self.attempt.checkpoint.load()

    def is_due(self) -> bool:
        return self.attempt.checkpoint.is_due()

    def save(self, step: int, tensors: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
        goes_on = self.attempt.checkpoint.save(step, tensors, data)
        self.attempt.is_going = self.attempt.is_going and goes_on
        return goes_on


class _Raising(AttemptCheckpoint):
    """For a plain function, to stop is raised, so that it cannot be forgotten."""

    __slots__ = ()

    def save(self, step: int, tensors: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
        if not super().save(step, tensors, data):
            raise Stopped
        return True
