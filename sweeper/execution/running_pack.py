"""A pack that is being trained, as the driver keeps watch over it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Cause, Ended, Event, Started, State

HUNG_S = 15.0  # a trial that was told to end has this long to listen; then its process is ended


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

    def check_time(self, limit_s: float | None) -> None:
        """Order trials to end that have been in training for longer than `limit_s`."""
        if limit_s is None:
            return
        now = time.monotonic()
        for trial, since in self.since.items():
            if now - since > limit_s and trial not in self.late:
                reason = f"timeout: it trained for more than {limit_s:g} s (resources.timeout)"
                self.verdicts[trial] = StopOrder(State.FAILED, reason, Cause.TIMEOUT)
                self.late[trial] = now + HUNG_S

    @property
    def is_hung(self) -> bool:
        """Whether a trial that took too long does not listen."""
        return any(time.monotonic() >= until for until in self.late.values())

    @property
    def seconds(self) -> float:
        """How long it has had its device."""
        return time.monotonic() - self.began if self.began is not None else 0.0
