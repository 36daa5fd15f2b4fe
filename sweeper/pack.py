"""The attempts of a pack: one after the other, or at once where the trainer is a class that can train several.

    class Fused:
        def train_pack(self, members, report):
            ...
            goes_on = report(index, step, {metric: number})     # False: this member is to stop, the others go on
            return [final_metrics, ...]                         # or nothing: then the last reported are final

`members` are the parameters of each member, "seed" among them. What one member reports never ends another: a member
that reports a NaN for a goal has diverged and is told to stop. What `train_pack` raises fails the members that have not
ended; they are then tried again alone, in packs of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeper import attempt, trainer
from sweeper.attempt import Attempt, Cancelled, ContractError, Job
from sweeper.errors import SweeperError
from sweeper.trial import Event


def run(jobs: Sequence[Job], send: Callable[[Event], None], cancelled: Callable[[], bool]) -> None:
    """Make the attempts of a pack; every outcome is sent as an event. What is printed goes to the members' logs."""
    if _trains_packs(jobs[0].target):
        with attempt.captured(jobs[0].directory / attempt.LOG):
            _run_together(jobs, send, cancelled)
        for job in jobs[1:]:
            job.directory.mkdir(parents=True, exist_ok=True)
            (job.directory / attempt.LOG).write_text(f"trained in a pack; its log is that of {jobs[0].trial}\n")
        return
    for job in jobs:
        with attempt.captured(job.directory / attempt.LOG):
            attempt.run(job, send, cancelled)


def _trains_packs(target: str) -> bool:
    try:
        return hasattr(trainer.load(target), "train_pack")
    except SweeperError:
        return False  # each attempt says so by itself


def _run_together(jobs: Sequence[Job], send: Callable[[Event], None], cancelled: Callable[[], bool]) -> None:
    attempt.limit_threads(jobs[0].threads)
    members = [Attempt(job, send, cancelled) for job in jobs]
    for member in members:
        member.start(attempt.device_name())

    def report(index: int, step: int, metrics: Mapping[str, float]) -> bool:
        member = members[index]
        if not member.ended:
            with member.outcome():
                member.report(step, metrics)
        if cancelled():
            raise Cancelled
        return not member.ended

    fused: Any = trainer.load(jobs[0].target)
    try:
        returned = fused().train_pack([job.params for job in jobs], report)
        finals = _finals(returned, len(members))
    except BaseException as error:
        for member in members:
            with member.outcome():
                raise error
        return
    for member, final in zip(members, finals, strict=True):
        with member.outcome():
            member.finish(final)


def _finals(returned: object, count: int) -> Sequence[object]:
    if returned is None:
        return [None] * count
    if not isinstance(returned, Sequence) or len(returned) != count:
        raise ContractError(f"train_pack() returned {returned!r:.80}; return {count} dicts of metrics, or nothing")
    return returned
