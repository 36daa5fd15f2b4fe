"""One attempt at a trial: call the trainer, check what it reports, and record what happened as events.

This is all that a worker does, wherever it runs. What the trainer does wrong is data, never an exception here:

    returns a dict, or nothing after reporting      completed
    FloatingPointError, or a goal that is not finite diverged (a result: never tried again)
    breaks the contract of report(), reports nothing failed, never tried again
    its data files are others than planned          pending: the run stops, the next one plans with them
    whatever else it raises, os._exit included       failed, tried again
"""

from __future__ import annotations

import contextlib
import inspect
import math
import operator
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.errors import ContractError, ProgramError
from sweeper.execution.worker import checkpoints, reasons
from sweeper.execution.worker.checkpoints import Checkpoint
from sweeper.execution.worker.job import Driver, Job, StopOrder
from sweeper.execution.worker.stored_checkpoints import stored_at
from sweeper.execution.worker.trial_files import is_apart, trial_files_at
from sweeper.provenance import data_digests
from sweeper.trial import Cause, Ended, Event, Reported, Started, State

LOG = "log.txt"
LAST_STEP = 2**63 - 1  # of MLflow and of Parquet
CALL = inspect.signature(lambda step, metrics: None)


class Stopped(BaseException):
    """Raised inside the trainer, by report() or save(), to end its trial; `except Exception` does not catch it.

    Without a verdict the trial has no end yet: the next run goes on with it.
    """

    def __init__(self, verdict: StopOrder | None = None) -> None:
        super().__init__(verdict.reason if verdict else "cancelled")
        self.verdict = verdict


class Attempt:
    """The state of an attempt under way, and what turns the trainer's reports into events."""

    def __init__(self, job: Job, driver: Driver) -> None:
        self.job, self.driver, self.process = job, driver, os.getpid()
        self.started_at, self.began = time.time(), time.perf_counter()
        self.device = ""
        self.is_going = True
        self.stored = stored_at(job.storage)
        if job.fresh:
            checkpoints.remove(job.directory)
        if self.stored is not None and job.fresh:
            self.stored.forget(job.trial)
        elif self.stored is not None:
            every = job.keep in ("best", "all")  # a rule looks at all that there are
            self.stored.fetch(job.trial, job.directory / checkpoints.FOLDER, every=every)
        found = checkpoints.latest(job.directory, job.trial)
        self.step = found.step if found else -1
        self.metrics = dict(found.metrics) if found else {}
        self.of_step: dict[str, float] = {}  # what was reported at `step`
        self.before_s = found.wall_s if found else 0.0
        self.checkpoint = Checkpoint(
            job.directory, job.trial, job.every_s, job.keep, self._progress, driver.is_stopping, self._score, found
        )
        self.checkpoint.stored = self.stored

    @property
    def wall_s(self) -> float:
        """Seconds trained, those before the checkpoint included."""
        return self.before_s + time.perf_counter() - self.began

    def report(self, *given: Any, **named: Any) -> None:
        """Take ``report(step, {name: number})`` of the trainer, merged with what it reported for the same step before.

        Raises to stop it: Stopped, ContractError, or FloatingPointError.
        """
        try:
            step, metrics = CALL.bind(*given, **named).args
        except TypeError:
            shown = ", ".join([*map(_excerpt, given), *(f"{name}={_excerpt(value)}" for name, value in named.items())])
            raise ContractError(f"it called report({shown}); report(step, {{name: number}}) is wanted") from None
        if os.getpid() != self.process:
            raise ContractError("report() was called in a process that the trainer forked; its own process reports")
        if self.driver.is_cancelled():
            raise Stopped
        step, values = self._checked(step, metrics)
        for goal in self.job.goals:
            if not math.isfinite(values.get(goal, 0.0)):
                raise FloatingPointError(f"{goal} is {values[goal]} at step {step}")
        self.step = step
        self.metrics |= values
        self._send(Reported(self.job.trial, self.job.attempt, time.time(), step, values))
        if verdict := self.driver.verdict(self.job.trial):
            raise Stopped(verdict)

    def start(self, device: str) -> None:
        """Report that it has begun; it has ended at once when its data changed."""
        self.device = device
        host, step = socket.gethostname(), max(self.step, 0)
        self._send(Started(self.job.trial, self.job.attempt, self.started_at, device, host, step))
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
        except BaseException as error:
            self.end_by(error)

    def end_by(self, error: BaseException) -> None:
        """The attempt is over because of this exception."""
        if isinstance(error, Stopped):
            reasons.log(str(error))
            self.is_going = error.verdict is not None
            if error.verdict:
                self.end(error.verdict.state, error.verdict.reason, self.metrics, error.verdict.cause)
        elif isinstance(error, FloatingPointError):
            reason = reasons.text_of(error) or "a value is not finite"
            self.end(State.DIVERGED, reason, _last_finite(error, self.metrics))
        elif isinstance(error, ContractError):
            self.end(State.FAILED, f"trainer contract: {reasons.text_of(error)}", self.metrics, Cause.CONTRACT)
        elif isinstance(error, ProgramError):
            self.end(State.FAILED, reasons.text_of(error), self.metrics, Cause.EXCEPTION, type(error).__name__)
        else:
            reasons.log_traceback(error)
            self.end(State.FAILED, reasons.reason_of(error), self.metrics, Cause.EXCEPTION, type(error).__name__)

    def end(self, state: State, reason: str, metrics: Mapping[str, float], cause: str = "", error: str = "") -> None:
        if not self.is_going or os.getpid() != self.process:
            return
        self.is_going = False
        job = self.job
        if state.is_result and (changed := self._changed_data()):
            state, reason, cause = State.FAILED, changed, Cause.CHANGED
        if state.is_result:  # a failed or stopped one may be trained again, from its last checkpoint
            with contextlib.suppress(OSError):  # a folder that is gone costs no result
                self._clean()
        if is_apart(job):
            trial_files_at(job.storage).put(job, checkpoints.END_S)
        ended = Ended(
            trial=job.trial,
            attempt=job.attempt,
            at=max(time.time(), self.started_at),  # a clock may be set back meanwhile
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
        self._send(ended)

    def _send(self, event: Event) -> None:
        if os.getpid() == self.process:
            self.driver.send(event)

    def _clean(self) -> None:
        self.checkpoint.clean()
        if self.job.keep == "none":
            for path in self.job.directory.glob("*.safetensors"):
                path.unlink(missing_ok=True)

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
            raise ContractError(f"report() got the step {_excerpt(step)}; a whole number is wanted") from None
        if not 0 <= number <= LAST_STEP:
            raise ContractError(f"report() got the step {_excerpt(number)}; steps are 0 to 2^63 - 1")
        if number < self.step:
            raise ContractError(f"report() got step {number} after step {self.step}; steps must not go back")
        if not isinstance(metrics, Mapping):
            raise ContractError(f"report() got {type(metrics).__name__} for metrics; a dict of numbers is wanted")
        values = _numbers(metrics)
        self.of_step = self.of_step | values if number == self.step else values
        return number, dict(self.of_step)


def _numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    numbers = {}
    for name, value in metrics.items():
        try:
            if not isinstance(name, str) or not name or not name.isprintable() or isinstance(value, str | bytes):
                raise TypeError
            numbers[name] = float(value)  # also takes a tensor or an array of one element
        except (TypeError, ValueError, RuntimeError, OverflowError):
            found = f"the metric {name!r:.80} is {_excerpt(value)}"
            raise ContractError(f"{found}; a printable name and a number of 64 bits are wanted") from None
    return numbers


def _excerpt(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python writes no integer of more than 4 300 digits
        return f"a {type(value).__name__} too long to write"


def _last_finite(error: BaseException, metrics: Mapping[str, float]) -> Mapping[str, float]:
    """A trainer's own FloatingPointError may carry the last finite metrics."""
    try:
        last = getattr(error, "last_finite_metrics", None)
        return _numbers(last) if isinstance(last, Mapping) and last else metrics
    except Exception:
        return metrics
