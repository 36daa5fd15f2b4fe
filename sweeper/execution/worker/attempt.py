"""One attempt at a trial: call the trainer, check what it reports, and say what happened as events.

This is all that a worker does, wherever it runs. What the trainer does wrong is data, never an exception here:

    returns a dict, or nothing after reporting      completed
    FloatingPointError, or a goal that is not finite diverged (a result: never tried again)
    breaks the contract of report(), reports nothing failed, never tried again
    its data files are others than planned          pending: the run stops, the next one plans with them
    any other exception, SystemExit included         failed, tried again
"""

from __future__ import annotations

import contextlib
import inspect
import math
import operator
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper import trainer
from sweeper.devices import device_name, limit_threads
from sweeper.execution.worker import checkpoints
from sweeper.execution.worker.checkpoints import Checkpoint
from sweeper.execution.worker.job import Driver, Job, StopOrder
from sweeper.provenance import data_digests
from sweeper.trial import Cause, Ended, Reported, Started, State

LOG = "log.txt"


class Stopped(BaseException):
    """Raised inside the trainer, by report() or save(), to end its trial; `except Exception` does not catch it.

    Without a verdict the trial has no end yet: the next run goes on with it.
    """

    def __init__(self, verdict: StopOrder | None = None) -> None:
        super().__init__(verdict.reason if verdict else "cancelled")
        self.verdict = verdict


class ContractError(TypeError):
    """The trainer used report() in a way that has no meaning; trying again would not help."""


class Attempt:
    """The state of an attempt under way, and what turns the trainer's reports into events."""

    def __init__(self, job: Job, driver: Driver) -> None:
        self.job, self.driver = job, driver
        self.started_at, self.began = time.time(), time.perf_counter()
        self.device = ""
        self.is_going = True
        if job.fresh:
            checkpoints.remove(job.directory)
        found = checkpoints.latest(job.directory, job.trial)
        self.step = found.step if found else -1
        self.metrics = dict(found.metrics) if found else {}
        self.before_s = found.wall_s if found else 0.0
        self.checkpoint = Checkpoint(
            job.directory, job.trial, job.every_s, job.keep, self._progress, driver.is_stopping, self._score, found
        )

    @property
    def wall_s(self) -> float:
        """Seconds trained, those before the checkpoint included."""
        return self.before_s + time.perf_counter() - self.began

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take a report of the trainer. Raises to stop it: Stopped, ContractError, or FloatingPointError."""
        if self.driver.is_cancelled():
            raise Stopped
        step, values = self._checked(step, metrics)
        for goal in self.job.goals:
            if not math.isfinite(values.get(goal, 0.0)):
                raise FloatingPointError(f"{goal} is {values[goal]} at step {step}")
        self.step = step
        self.metrics |= values
        self.driver.send(Reported(self.job.trial, self.job.attempt, time.time(), step, values))
        if verdict := self.driver.verdict(self.job.trial):
            raise Stopped(verdict)

    def start(self, device: str) -> None:
        """Say that it has begun; it has ended at once when its data changed."""
        self.device = device
        host, step = socket.gethostname(), max(self.step, 0)
        self.driver.send(Started(self.job.trial, self.job.attempt, self.started_at, device, host, step))
        if changed := self._changed_data():
            self.end(State.FAILED, changed, {}, Cause.CHANGED)

    def finish(self, returned: object) -> None:
        """The trainer came back: what it returned are the final metrics, else the last value of each one reported."""
        if returned is not None and not isinstance(returned, Mapping):
            raise ContractError(f"it returned {returned!r:.80}; return a dict of metrics, or nothing")
        final = _numbers(returned) if returned else self.metrics
        if not final:
            raise ContractError("it ended without having reported a metric")
        missing = [goal for goal in self.job.goals if goal not in final]
        if missing:
            raise ContractError(f"it never reported {', '.join(missing)} (but {', '.join(final)})")
        for goal in self.job.goals:
            if not math.isfinite(final[goal]):
                raise FloatingPointError(f"{goal} is {final[goal]} at the end")
        self.end(State.COMPLETED, "", final)

    @contextlib.contextmanager
    def outcome(self) -> Iterator[None]:
        """Turn whatever the block raises into the end of this attempt, unless it has ended already."""
        try:
            yield
        except Stopped as stop:
            print(stop, file=sys.stderr)
            self.is_going = stop.verdict is not None
            if stop.verdict:
                self.end(stop.verdict.state, stop.verdict.reason, self.metrics, stop.verdict.cause)
        except FloatingPointError as error:
            self.end(State.DIVERGED, str(error) or "a value is not finite", _last_finite(error, self.metrics))
        except ContractError as error:
            self.end(State.FAILED, f"trainer contract: {error}", self.metrics, Cause.CONTRACT)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            name = type(error).__name__
            self.end(State.FAILED, f"{name}: {_one_line(error)}{_place(error)}", self.metrics, Cause.EXCEPTION, name)

    def end(self, state: State, reason: str, metrics: Mapping[str, float], cause: str = "", error: str = "") -> None:
        if not self.is_going:
            return
        self.is_going = False
        job = self.job
        if state.is_result and (changed := self._changed_data()):
            state, reason, cause = State.FAILED, changed, Cause.CHANGED
        if state is not State.FAILED:  # a failed one may be tried again, from its last checkpoint
            self.checkpoint.clean()
            if job.keep == "none":
                for path in job.directory.glob("*.safetensors"):
                    path.unlink(missing_ok=True)
        ended = Ended(
            trial=job.trial,
            attempt=job.attempt,
            at=time.time(),
            state=state,
            reason=reason[:500],
            metrics=dict(metrics),
            steps=max(self.step, 0),
            wall_s=self.wall_s,
            started_at=self.started_at,
            device=self.device,
            host=socket.gethostname(),
            commit=job.commit,
            cause=cause,
            error=error,
        )
        self.driver.send(ended)

    def _changed_data(self) -> str:
        """Why this is no result of the data that the trial was planned with, or ""."""
        planned = {name: digest for name, digest in self.job.data.items() if digest}
        for name, found in data_digests(planned).items():
            if found != planned[name]:
                now = f"has another content ({found}, planned with {planned[name]})" if found else "is gone"
                return f"data file {name} {now} on {socket.gethostname()}; its trials wait for the next run"
        return ""

    def _progress(self) -> tuple[dict[str, float], float]:
        return dict(self.metrics), self.wall_s

    def _score(self, metrics: Mapping[str, float]) -> float:
        """The first goal, higher is better; -inf where there is none."""
        value = metrics.get(self.job.goals[0], math.nan) if self.job.goals else math.nan
        return -math.inf if math.isnan(value) else value if self.job.maximize else -value

    def _checked(self, step: Any, metrics: Any) -> tuple[int, dict[str, float]]:
        try:
            number = operator.index(step)
        except TypeError:
            raise ContractError(f"report() got the step {step!r:.80}; a whole number is wanted") from None
        if number <= self.step:
            raise ContractError(f"report() got step {number} after step {self.step}; steps must ascend")
        if not isinstance(metrics, Mapping):
            raise ContractError(f"report() got {type(metrics).__name__} for metrics; a dict of numbers is wanted")
        return number, _numbers(metrics)


def run(job: Job, driver: Driver) -> None:
    """Make the attempt; every outcome is sent as an event, a cancelled attempt sends no end. Raises nothing else."""
    attempt = Attempt(job, driver)
    with attempt.outcome():
        limit_threads(job.threads)
        function = trainer.load(job.target)
        limit_threads(job.threads)
        attempt.start(device_name())
        if attempt.is_going:
            attempt.finish(function(job.params, attempt.report, **extras(function, attempt)))


def extras(function: Callable[..., object], attempt: Attempt) -> dict[str, object]:
    """What a trainer takes beside settings and report: `directory`, made, and `checkpoint`."""
    try:
        wanted = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    offered: dict[str, object] = {"directory": attempt.job.directory, "checkpoint": _Raising(attempt)}
    given = {name: thing for name, thing in offered.items() if name in wanted}
    if "directory" in given:
        attempt.job.directory.mkdir(parents=True, exist_ok=True)
    return given


@dataclass(frozen=True, slots=True)
class AttemptCheckpoint:
    """The checkpoint of an attempt, which is over, without an end, when a save says stop: the next run goes on."""

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


def _numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    numbers = {}
    for name, value in metrics.items():
        try:
            if not isinstance(name, str) or isinstance(value, str | bytes):
                raise TypeError
            numbers[name] = float(value)  # also takes a tensor or an array of one element
        except (TypeError, ValueError, RuntimeError):
            raise ContractError(f"the metric {name!r:.80} is {value!r:.80}; a name and a number are wanted") from None
    return numbers


def _last_finite(error: BaseException, metrics: Mapping[str, float]) -> Mapping[str, float]:
    """A trainer's own FloatingPointError may carry the last finite metrics."""
    last = getattr(error, "last_finite_metrics", None)
    return {name: float(value) for name, value in last.items()} if isinstance(last, Mapping) and last else metrics


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _place(error: BaseException) -> str:
    """Where in the trainer's own code it happened: the innermost frame outside installed packages."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        f
        for f in frames
        if "site-packages" not in f.filename and f.filename != __file__ and "/lib/python" not in f.filename
    ]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
