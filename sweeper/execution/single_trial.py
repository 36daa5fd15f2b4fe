"""One trial in this process, without Ray, ledger or MLflow: for debugging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sweeper.devices import limit_threads
from sweeper.errors import Exit
from sweeper.execution.signals import interruptible
from sweeper.execution.worker import single
from sweeper.execution.worker.attempt import Attempt, Stopped
from sweeper.execution.worker.job import Job
from sweeper.planning.plan import Plan
from sweeper.planning.settings import settings
from sweeper.trainer import loading
from sweeper.trainer.trainer import Trainer
from sweeper.trial import Ended, Event, Reported


def train(job: Job, listener: Callable[[Event], None]) -> Ended | Exit:
    """Train one trial; `listener` is given its events. Nothing is recorded; the trainer may write to its folder.

    Call it from the main thread: a signal stops the trial at once, and its exit code is returned.
    """
    ended: list[Ended | Exit] = []

    def listen(event: Event) -> None:
        listener(event)
        if isinstance(event, Ended):
            ended.append(event)

    def stop(code: Exit) -> None:
        ended.append(code)
        raise Stopped

    with interruptible(stop):
        single.run(job, _Listener(listen))
    return ended[-1]  # an attempt that is not stopped ends


def train_and_raise(job: Job) -> None:
    """The same with nothing caught: what the trainer raises flies, for a debugger."""
    limit_threads(job.threads)
    function = loading.load(job.target)
    watched = Attempt(job, _Listener(lambda event: print(event) if isinstance(event, Reported) else None))
    function(job.params, watched.report, **single.extras(function, watched))


def job_of(plan: Plan, found: Trainer, folder: Path) -> Job:
    """The first trial of a plan as the first attempt at it, in `folder`."""
    sweep, trial = plan.sweep, plan.items[0].trial
    goals, threads = tuple(goal.name for goal in sweep.goals), max(1, int(sweep.resources.cpu))
    return Job(trial.key, 1, found.target, settings(trial, sweep, found), goals, folder, threads=threads)


@dataclass(frozen=True, slots=True)
class _Listener:
    """The driver of a trial that is trained alone: it passes events on and stops nothing."""

    send: Callable[[Event], None]

    def progress(self, trial: str, step: int) -> None:
        pass

    def verdict(self, trial: str) -> None:
        return None

    def is_stopping(self) -> bool:
        return False

    def is_cancelled(self) -> bool:
        return False

    def more(self, count: int, *, wait: bool) -> list[Job]:
        return []
