"""The packs that are being trained, as the driver sees them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Cause, Ended, Event, Record, Started, State

HUNG_S = 15.0  # a trial that was ordered to end has this long to do so; then its process is ended


def end_of(record: Record, attempt: int, order: StopOrder, commit: str) -> Ended:
    """The end of a trial of which no worker will report one, as its last report left it."""
    trial, now = record.trial.key, time.time()
    begun = record.started or Started(trial, attempt, now, "", "")
    now = max(now, begun.at)  # a clock may have been set back, or differ from the worker's
    last = record.reports[-1] if record.reports else None
    return Ended(
        trial=trial,
        attempt=attempt,
        at=now,
        state=order.state,
        reason=order.reason,
        metrics=last.metrics if last else {},
        steps=last.step if last else begun.step,
        wall_s=now - begun.at,
        started_at=begun.at,
        device=begun.device,
        host=begun.host,
        commit=commit,
        cause=order.cause,
    )


@dataclass(slots=True)
class RunningPack:
    """A pack with what its trials are doing. Times are monotonic seconds."""

    first: Job
    open: dict[str, Job]  # by trial: what has not ended, begun or not
    began: float | None = None
    since: dict[str, float] = field(default_factory=dict)  # the trials in training, and from when on
    verdicts: dict[str, StopOrder] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)  # the trials that took too long, and until when they may end

    def advance(self, event: Event) -> None:
        """Something happened to a trial of the pack."""
        now = time.monotonic()
        if isinstance(event, Started):
            self.began = self.began or now
            self.since[event.trial] = now
        elif isinstance(event, Ended):
            for notes in (self.since, self.verdicts, self.late):
                notes.pop(event.trial, None)

    def lose(self, record: Record, reason: str, cause: str, commit: str) -> Ended:
        """The end of a trial whose process is gone: failed, as its last report left it, or as it was ordered to end."""
        order, trial = self.verdicts.get(record.trial.key), record.trial.key
        if order is None or order.state is State.PRUNED:
            order = StopOrder(State.FAILED, reason, cause)
        return end_of(record, self.open[trial].attempt, order, commit)

    @property
    def stopped(self) -> dict[str, StopOrder]:
        """The trials that somebody stopped and that have not ended yet."""
        return {trial: order for trial, order in self.verdicts.items() if order.state is State.STOPPED}

    @property
    def lost_first(self) -> list[str]:
        """The trials that are lost with the process: those in training, or the first if none has begun.

        A process that died before any trial began must not be started for ever: it counts against the first one.
        """
        return list(self.since) or list(self.open)[:1]

    def check_time(self, limit_s: float | None) -> None:
        """Order trials to end that have been in training for longer than `limit_s`."""
        if limit_s is None:
            return
        now = time.monotonic()
        for trial, since in self.since.items():
            if now - since > limit_s and trial not in self.late and trial not in self.stopped:
                reason = f"timeout: it trained for more than {limit_s:g} s (resources.timeout)"
                self.verdicts[trial] = StopOrder(State.FAILED, reason, Cause.TIMEOUT)
                self.late[trial] = now + HUNG_S

    @property
    def is_hung(self) -> bool:
        """Whether a trial that took too long has not ended when ordered to."""
        return any(time.monotonic() >= until for until in self.late.values())

    @property
    def seconds(self) -> float:
        """How long it has had its device."""
        return time.monotonic() - self.began if self.began is not None else 0.0


@dataclass(slots=True)
class ActivePacks:
    """The packs that were handed out and are not closed, by number."""

    packs: dict[int, RunningPack] = field(default_factory=dict)
    opened: int = 0  # in this run, the closed ones included
    handed: dict[str, int] = field(default_factory=dict)  # each trial: the pack that it was handed to last

    def __len__(self) -> int:
        return len(self.packs)

    def open(self, jobs: tuple[Job, ...]) -> int:
        """A new pack of these jobs. Returns its number."""
        self.opened += 1
        self.packs[self.opened] = RunningPack(jobs[0], {})
        self.hand(self.opened, jobs)
        return self.opened

    def hand(self, number: int, jobs: Iterable[Job]) -> None:
        """Further jobs belong to a pack."""
        given = {job.trial: job for job in jobs}
        self.packs[number].open |= given
        self.handed |= dict.fromkeys(given, number)

    def with_trial(self, trial: str) -> RunningPack | None:
        """The pack in which a trial waits or trains."""
        pack = self.packs.get(self.handed.get(trial, 0))
        return pack if pack is not None and trial in pack.open else None

    @property
    def trials(self) -> int:
        """How many trials wait or train in a pack."""
        return sum(len(pack.open) for pack in self.packs.values())

    @property
    def device_s(self) -> float:
        """How long the packs have had their devices, in all."""
        return sum(pack.seconds for pack in self.packs.values())
