"""When a run stops by itself, and what is tried again: budgets, failures in a row, retries."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sweeper.spec.sweep import Sweep
from sweeper.trial import Cause, Ended, State


@dataclass(slots=True)
class Budgets:
    """The limits of a sweep and what has been used up in this run. Times are monotonic seconds."""

    sweep: Sweep
    results: int = 0  # trials with a result, those of earlier runs included
    trained: int = 0  # trials that ended in this run
    device_s: float = 0.0  # of the packs that are over
    failures: Counter[str] = field(default_factory=Counter)
    failures_in_a_row: int = 0
    began: float = field(default_factory=time.monotonic)

    def may_retry(self, ended: Ended) -> bool:
        """Whether an attempt that ended is followed by another one in this run."""
        if ended.state is not State.FAILED:
            return False
        self.failures[ended.trial] += 1
        never = ended.cause in (Cause.CONTRACT, Cause.TIMEOUT) or ended.error in self.sweep.retry.never_on
        return self.failures[ended.trial] <= self.sweep.retry.max and not never

    def count(self, ended: Ended) -> None:
        """A trial has ended for good."""
        self.results += ended.state.is_result
        self.trained += not ended.origin
        if ended.state is State.STOPPED:  # no sign of whether trials fail
            return
        self.failures_in_a_row = self.failures_in_a_row + 1 if ended.state is State.FAILED else 0

    def failing(self) -> str:
        """Why to give up, as text, or ""."""
        limit = self.sweep.abort.consecutive_failures
        hopeless = limit is not None and self.failures_in_a_row >= limit
        return f"{limit} trials in a row failed (abort.consecutive_failures)" if hopeless else ""

    def out_of_time(self, device_s: Callable[[], float]) -> str:
        """Which budget of time is spent, as text, or "". `device_s` sums those of the running packs."""
        budget = self.sweep.budget
        if budget.wall_s is not None and time.monotonic() - self.began >= budget.wall_s:
            return "the wall-time budget is spent"
        if budget.device_s is not None and self.device_s + device_s() >= budget.device_s:
            return "the device-hours budget is spent"
        return ""

    def out_of_trials(self, in_flight: Callable[[], int]) -> str:
        """Whether the budget of trials is spent once those `in_flight` have ended, as text, or ""."""
        most = self.sweep.budget.trials
        return "the budget of trials is spent" if most is not None and self.results + in_flight() >= most else ""
