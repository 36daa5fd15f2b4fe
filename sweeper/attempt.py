"""One attempt at a trial: call the trainer, check what it reports, and say what happened as events.

This is all that a worker does, wherever it runs. What the trainer does wrong is data, never an exception here:

    returns a dict, or nothing after reporting      completed
    FloatingPointError, or a goal that is not finite diverged (a result: never tried again)
    breaks the contract of report(), reports nothing failed, never tried again
    any other exception, SystemExit included         failed, tried again
"""

from __future__ import annotations

import contextlib
import inspect
import math
import operator
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper import trainer
from sweeper.trial import Ended, Event, Reported, Started, State, Value

LOG = "log.txt"
CONTRACT = "trainer contract: "


class Cancelled(BaseException):
    """Raised inside the trainer, by report(), when its trial is to stop now; `except Exception` does not catch it."""


class ContractError(TypeError):
    """The trainer used report() in a way that has no meaning; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to make one attempt at a trial.

    `params` holds every setting and "seed"; `keep` says whether the trained model stays on the disk.
    """

    trial: str
    attempt: int
    target: str
    params: dict[str, Value]
    goals: tuple[str, ...]
    directory: Path
    commit: str
    threads: int
    keep: bool


@dataclass(slots=True)
class Attempt:
    """The state of an attempt under way, and what turns the trainer's reports into events."""

    job: Job
    send: Callable[[Event], None]
    cancelled: Callable[[], bool]
    started_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.perf_counter)
    device: str = ""
    step: int = -1
    metrics: dict[str, float] = field(default_factory=dict)
    ended: bool = False

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take a report of the trainer. Raises to stop it: Cancelled, ContractError, or FloatingPointError."""
        if self.cancelled():
            raise Cancelled
        step, values = self._checked(step, metrics)
        for goal in self.job.goals:
            if not math.isfinite(values.get(goal, 0.0)):
                raise FloatingPointError(f"{goal} is {values[goal]} at step {step}")
        self.step = step
        self.metrics |= values
        self.send(Reported(self.job.trial, self.job.attempt, time.time(), step, values))

    def start(self, device: str) -> None:
        self.device = device
        self.send(Started(self.job.trial, self.job.attempt, self.started_at, device, socket.gethostname()))

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
        except Cancelled:
            print("cancelled", file=sys.stderr)
        except FloatingPointError as error:
            self.end(State.DIVERGED, str(error) or "a value is not finite", _last_finite(error, self.metrics))
        except ContractError as error:
            self.end(State.FAILED, f"{CONTRACT}{error}", self.metrics)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            self.end(State.FAILED, f"{type(error).__name__}: {_one_line(error)}{_place(error)}", self.metrics)

    def end(self, state: State, reason: str, metrics: Mapping[str, float]) -> None:
        if self.ended:
            return
        self.ended = True
        if not self.job.keep:
            for path in self.job.directory.glob("*.safetensors"):
                path.unlink(missing_ok=True)
        wall_s = time.perf_counter() - self.began
        job, host = self.job, socket.gethostname()
        steps = max(self.step, 0)
        args = (state, reason[:500], dict(metrics), steps, wall_s, self.started_at, self.device, host, job.commit)
        self.send(Ended(job.trial, job.attempt, time.time(), *args))

    def _checked(self, step: Any, metrics: Any) -> tuple[int, dict[str, float]]:
        try:
            number = operator.index(step)
        except TypeError:
            raise ContractError(f"report() got the step {step!r:.80}; a whole number is wanted") from None
        if number <= self.step or number < 0:
            raise ContractError(f"report() got step {number} after step {self.step}; steps must ascend")
        if not isinstance(metrics, Mapping):
            raise ContractError(f"report() got {type(metrics).__name__} for metrics; a dict of numbers is wanted")
        return number, _numbers(metrics)


def run(job: Job, send: Callable[[Event], None], cancelled: Callable[[], bool]) -> None:
    """Make the attempt; every outcome is sent as an event, a cancelled attempt sends no end. Raises nothing else."""
    attempt = Attempt(job, send, cancelled)
    with attempt.outcome():
        limit_threads(job.threads)
        function = trainer.load(job.target)
        limit_threads(job.threads)
        attempt.start(device_name())
        attempt.finish(function(job.params, attempt.report, **extras(function, job)))


def limit_threads(threads: int) -> None:
    """Let the numeric libraries use `threads` threads: two trials with all threads each run 20 times slower (seen)."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def device_name() -> str:
    """The device that torch would use here: `cpu`, or the name of the GPU."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch and torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send what this process writes to its standard streams, below Python too, to the end of the file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        _point_streams_at(log, log)
        yield
    finally:
        _point_streams_at(*saved)
        for handle in (*saved, log):
            os.close(handle)


def _point_streams_at(out: int, err: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)


def extras(function: Callable[..., object], job: Job) -> dict[str, Path]:
    """`directory`, made, for a trainer that takes it."""
    try:
        wanted = "directory" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        wanted = False
    if wanted:
        job.directory.mkdir(parents=True, exist_ok=True)
    return {"directory": job.directory} if wanted else {}


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
