"""One trial in this process, without Ray, ledger or MLflow: for debugging."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper import trainer
from sweeper.devices import limit_threads
from sweeper.execution.worker import attempt
from sweeper.execution.worker.attempt import Attempt
from sweeper.execution.worker.job import Job
from sweeper.trial import Ended, Event, Reported, Trial


def train(
    target: str, trial: Trial, goals: Sequence[str], threads: int, folder: Path, listener: Callable[[Event], None]
) -> Ended:
    """Train one trial; `listener` is given its events. Nothing is recorded but what the trainer writes to `folder`."""
    ended: list[Ended] = []

    def listen(event: Event) -> None:
        listener(event)
        if isinstance(event, Ended):
            ended.append(event)

    attempt.run(_job(target, trial, goals, threads, folder), _Nobody(listen))
    return ended[-1]  # an attempt that nobody stops ends


def train_and_raise(target: str, trial: Trial, goals: Sequence[str], threads: int) -> None:
    """The same with nothing caught: what the trainer raises flies, for a debugger."""
    with tempfile.TemporaryDirectory() as folder:
        job = _job(target, trial, goals, threads, Path(folder))
        limit_threads(threads)
        function = trainer.load(target)
        watched = Attempt(job, _Nobody(lambda event: print(event) if isinstance(event, Reported) else None))
        function(job.params, watched.report, **attempt.extras(function, watched))


def _job(target: str, trial: Trial, goals: Sequence[str], threads: int, folder: Path) -> Job:
    params = {**trial.params, "seed": trial.seed}
    return Job(trial.key, 1, target, params, tuple(goals), folder, threads=threads)


@dataclass(frozen=True, slots=True)
class _Nobody:
    """The driver of a trial that is trained alone: it listens."""

    send: Callable[[Event], None]

    def verdict(self, trial: str) -> None:
        return None

    def is_stopping(self) -> bool:
        return False

    def is_cancelled(self) -> bool:
        return False

    def more(self, count: int, *, wait: bool) -> list[Job]:
        return []
