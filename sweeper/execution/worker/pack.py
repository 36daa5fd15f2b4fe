"""The attempts of a worker: one after the other, or at once where the trainer can train several as one program.

    def train_pack(slots):
        members = list(slots.join(8))                     # the first call gives at least one
        while members:
            ... one step of all members ...
            member.progress(step)                         # optional: shown where reports are far apart
            if not member.report(step, {metric: number}):     # False: pruned, diverged or cancelled; drop it
            if member.checkpoint.is_due() and not member.checkpoint.save(step, tensors, data):     # the same
            member.finish({metric: number})               # done: drop it;  member.fail(error): this one went wrong
            members += slots.join(8 - len(members))       # fills freed slots, [] when no trial waits

    train.train_pack = train_pack
    train.fixed = ("model.width",)                        # settings in which the members of a pack agree

What one member does never ends another. What `train_pack` raises fails the members that have not ended; they are then
tried again alone.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sweeper.devices import device_name, limit_threads
from sweeper.errors import ContractError, SweeperError
from sweeper.execution.worker import checkpoints, single
from sweeper.execution.worker.attempt import LOG, Attempt
from sweeper.execution.worker.isolation import forks_end_here, isolated
from sweeper.execution.worker.job import Driver, Job
from sweeper.execution.worker.output_capture import captured
from sweeper.execution.worker.single import AttemptCheckpoint
from sweeper.execution.worker.trial_files import is_apart, trial_files_at
from sweeper.trainer import loading
from sweeper.trial import Value

AHEAD_S = 0.5  # a worker of short trials requests this much work at once, so that it need not wait for the driver
MAX_AHEAD = 64


class Member:
    """A trial in a pack, as its trainer sees it."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self.params: Mapping[str, Value] = copy.deepcopy(attempt.job.params)
        self.directory: Path = attempt.job.directory
        self.checkpoint = AttemptCheckpoint(attempt)

    def progress(self, step: int) -> None:
        """It has made this step: shown to who watches, between reports; costs next to nothing."""
        if self._attempt.is_going:
            self._attempt.driver.progress(self._attempt.job.trial, step)

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Take a report. False: this member is to stop; what became of it has been written down."""
        with self._attempt.outcome():
            if self._attempt.is_going:
                self._attempt.report(step, metrics)
        return self._attempt.is_going

    def finish(self, metrics: Mapping[str, float] | None = None) -> None:
        """It is done: its final metrics, or without any the last ones reported."""
        with self._attempt.outcome():
            self._attempt.finish(metrics)

    def fail(self, error: BaseException) -> None:
        """It alone went wrong: FloatingPointError means that it diverged."""
        with self._attempt.outcome():
            raise error


class PackSlots:
    """Hands the members of a pack to a trainer; `size` is the number in the sweep file, None: what pays."""

    def __init__(self, jobs: Sequence[Job], driver: Driver, size: int | None) -> None:
        self.size = size
        self._waiting = deque(jobs)
        self._driver = driver
        self._active: list[Attempt] = []
        self._has_begun = False
        self._log = jobs[0].trial

    def join(self, free: int) -> list[Member]:
        """Up to `free` further members; waits for the driver's answer only when none is in training."""
        self._active = [attempt for attempt in self._active if attempt.is_going]
        if self._driver.is_stopping():
            return []
        if len(self._waiting) < free:
            self._waiting.extend(self._driver.more(free - len(self._waiting), wait=not self._active))
        started = [self._start(self._waiting.popleft()) for _ in range(min(free, len(self._waiting)))]
        return [Member(attempt) for attempt in started if attempt.is_going]

    def give_back(self, members: Sequence[Member]) -> None:
        """These do not fit after all: they join again when there is room, and go on from their last checkpoint."""
        jobs = [member._attempt.job for member in members]
        self._active = [attempt for attempt in self._active if attempt.job not in jobs]
        self._waiting.extendleft(replace(job, fresh=False) for job in reversed(jobs))

    def end(self, error: BaseException) -> None:
        """The trainer is through: members still in training failed by `error`; where none began, all that wait did."""
        if not self._has_begun and not self._driver.is_stopping():  # else they would be handed out again for ever
            self.join(len(self._waiting))
        for member in self._active:
            with member.outcome():
                if member.is_going:
                    raise error

    def _start(self, job: Job) -> Attempt:
        self._has_begun = True
        with contextlib.suppress(OSError):  # a full disk costs the log, not the trial
            job.directory.mkdir(parents=True, exist_ok=True)
            if job.trial != self._log:
                (job.directory / LOG).write_text(f"trained in a pack; its log is that of {self._log}\n")
        found = Attempt(job, self._driver)
        self._active.append(found)
        found.start(device_name())
        return found


def run(jobs: Sequence[Job], driver: Driver, size: int | None) -> None:
    """Make the attempts of a pack; every outcome is sent as an event. What is printed goes to the members' logs."""
    _run(jobs, driver, size)
    if is_apart(jobs[0]):  # what an outage delayed is nowhere else
        trial_files_at(jobs[0].storage).flush(checkpoints.STOP_S)


def _run(jobs: Sequence[Job], driver: Driver, size: int | None) -> None:
    if together := _train_pack(jobs[0].target):
        with captured(jobs[0].directory / LOG):
            _run_together(together, PackSlots(jobs, driver, size), jobs[0].threads)
        return
    for job in _in_turn(jobs, driver):
        with captured(job.directory / LOG):
            single.run(job, driver)


def _in_turn(jobs: Sequence[Job], driver: Driver) -> Iterator[Job]:
    """The jobs of this worker, then more while the driver has some; short ones are asked for ahead of time."""
    waiting, began, done = deque(jobs), time.perf_counter(), 0
    while waiting and not driver.is_stopping():
        yield waiting.popleft()
        done += 1
        ahead = min(MAX_AHEAD, int(AHEAD_S * done / (time.perf_counter() - began)))
        if jobs[0].searched:
            ahead = min(ahead, 1)  # the next one, when its turn has come
        if len(waiting) <= ahead // 2 and ahead:
            waiting.extend(driver.more(ahead, wait=not waiting))


def _train_pack(target: str) -> Callable[[PackSlots], None] | None:
    try:
        return getattr(loading.load(target), "train_pack", None)
    except SweeperError:
        return None  # each attempt reports it by itself


def _run_together(train_pack: Callable[[PackSlots], None], slots: PackSlots, threads: int) -> None:
    limit_threads(threads)
    error: BaseException = ContractError("train_pack() returned while this trial was still in training")
    try:
        with isolated(), forks_end_here():
            train_pack(slots)
    except BaseException as raised:
        error = raised
    slots.end(error)
