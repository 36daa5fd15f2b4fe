"""One `sweeper run`: hands packs to a runner, writes down what happens, tries again, stops in good order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Protocol

from sweeper import ledger
from sweeper.attempt import CONTRACT, Job
from sweeper.errors import Exit
from sweeper.ledger import History, Ledger, SweepDir
from sweeper.plan import Fate, Plan
from sweeper.proposals import Proposals
from sweeper.schedule import Pack
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial

GRACE_S = 60.0  # how long running trials may go on after the first interrupt


class Watcher(Protocol):
    """Who is told of every event after it has been written down: the screen, the MLflow mirror."""

    def push(self, trial: Trial, event: Event) -> None: ...


@dataclass(slots=True)
class Session:
    """The trials of a run on their way; the source that a runner asks. All calls come from the runner's thread,
    except `interrupt`, which the signal handlers make."""

    plan: Plan
    ledger: Ledger
    target: str
    commit: str
    history: History
    watchers: tuple[Watcher, ...]
    say: Callable[[str], None]
    records: dict[str, Record]
    proposals: Proposals | None = None
    waiting: deque[Job] = field(default_factory=deque)
    running: dict[int, Pack] = field(default_factory=dict)
    packs: int = 0
    failures_in_a_row: int = 0
    device_s: float = 0.0
    trained: int = 0
    began: float = field(default_factory=time.monotonic)
    stopped_by: Exit | None = None
    why_stopped: str = ""
    deadline: float | None = None  # monotonic: running packs are cancelled then

    def begin(self, text: str, provenance: dict[str, object]) -> None:
        """Write the run down, take over the results that other sweeps have, and queue what is to be trained."""
        trials = [item.trial for item in self.plan.items]
        self.ledger.run(text, provenance, trials, self.history)
        self.records |= {t.key: self.history.records.get(t.key) or Record(t) for t in trials}
        self._adopt()
        if self.proposals is not None:
            self.proposals.begin(self.records.values())
        self._queue(self.plan.to_run)

    def next_pack(self) -> Pack | None:
        self._check_budget()
        self._propose()
        if self.stopped_by is not None or not self.waiting:
            return None
        # A job that was lost with its pack goes alone, so that it cannot take others with it again.
        size = 1 if self.waiting[0].attempt > 1 else self.plan.pack
        jobs = [self.waiting.popleft() for _ in range(min(size, len(self.waiting)))]
        self.packs += 1
        pack = self.running[self.packs] = Pack(self.packs, tuple(jobs))
        return pack

    def is_done(self) -> bool:
        self._check_budget()
        nothing_waits = not (self.waiting or self._may_propose()) or self.stopped_by is not None
        return nothing_waits and not self.running

    def is_cancelled(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def record(self, event: Event) -> None:
        record = self.records[event.trial]
        if isinstance(event, Ended):
            self.device_s += event.wall_s
            event = replace(event, retry=self._may_retry(event))
        self.ledger.record(event)
        _advance(record, event)
        for watcher in self.watchers:
            watcher.push(record.trial, event)
        if isinstance(event, Ended):
            self._after(event)

    def lost(self, pack: Pack, reason: str) -> None:
        for job in pack.jobs:
            record = self.records[job.trial]
            if record.ended is not None and record.ended.attempt == job.attempt:
                continue
            now, started = time.time(), record.started
            since = started.at if started and started.attempt == job.attempt else now
            steps = record.reports[-1].step if record.reports else 0
            metrics = record.reports[-1].metrics if record.reports else {}
            host, device = (started.host, started.device) if started else (socket.gethostname(), "")
            outcome = (State.FAILED, reason, metrics, steps, now - since, since, device, host, self.commit)
            self.record(Ended(job.trial, job.attempt, now, *outcome))

    def closed(self, pack: Pack) -> None:
        self.running.pop(pack.number, None)

    def interrupt(self, code: Exit) -> None:
        """First call: no new packs, running ones may end within GRACE_S. Second: they stop now. Third: die at once."""
        if self.deadline is None:
            self.stopped_by, self.why_stopped = code, "interrupted"
            self.deadline = time.monotonic() + GRACE_S
            running = sum(record.state is State.RUNNING for record in self.records.values())
            self.say(
                f"Stopping: no new trials start; {running} running may finish within {GRACE_S:.0f} s. "
                "Press Ctrl-C again to cancel them now."
            )
        elif not self.is_cancelled():
            self.deadline = time.monotonic()
            self.say("Cancelling the running trials; what has finished is safe. Press Ctrl-C again to die at once.")
        else:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def end(self) -> Exit:
        """The runner is through: what it left unfinished is pending again. Returns how the run ended."""
        for record in self.records.values():
            if record.ended is None:
                record.started = None
        if self.stopped_by is not None:
            return self.stopped_by
        failed = any(record.state is State.FAILED for record in self.records.values())
        return Exit.TRIALS_FAILED if failed else Exit.OK

    def _queue(self, trials: Iterable[Trial]) -> None:
        sweep = self.plan.sweep
        goals = tuple(goal.name for goal in sweep.goals)
        threads, keep = max(1, int(sweep.resources.cpu)), sweep.checkpoints.keep != "none"
        for trial in trials:
            attempt = self.records[trial.key].attempt + 1
            params = {**trial.params, "seed": trial.seed}
            folder = self.ledger.sweep.trial(trial.key).resolve()
            self.waiting.append(Job(trial.key, attempt, self.target, params, goals, folder, self.commit, threads, keep))

    def _propose(self) -> None:
        """Let the searcher add configurations until the next pack is full, within the budget of trials."""
        budget = self.plan.sweep.budget.trials
        while self._may_propose() and len(self.waiting) < self.plan.pack:
            assert self.proposals is not None, "_may_propose"
            room = None if budget is None else budget - len(self.records)
            trials = self.proposals.more()[:room]
            if trials:
                records = [Record(trial) for trial in trials]
                self.records |= {record.trial.key: record for record in records}
                self.proposals.add(records)
                self.ledger.more(trials)
                self._queue(trials)

    def _may_propose(self) -> bool:
        budget = self.plan.sweep.budget.trials
        room = budget is None or len(self.records) < budget
        return self.proposals is not None and not self.proposals.exhausted and room and self.stopped_by is None

    def _adopt(self) -> None:
        reused = self.plan.of(Fate.REUSED)
        results = self.ledger.sweep.results
        origins = {item.origin: ledger.read(SweepDir(results, item.origin), curves=True) for item in reused}
        for item in reused:
            source = origins[item.origin].records[item.trial.key]
            assert source.ended is not None, "planned as reused, so it has a result"
            origin = source.ended.origin or item.origin
            events: list[Event] = [*source.reports, replace(source.ended, origin=origin)]
            for event in events:
                self.record(event)

    def _after(self, ended: Ended) -> None:
        if ended.retry:
            job = next(job for pack in self.running.values() for job in pack.jobs if job.trial == ended.trial)
            self.waiting.append(replace(job, attempt=ended.attempt + 1))
            return
        self.trained += not ended.origin
        if self.proposals is not None and not ended.origin:
            self.proposals.ended(self.records[ended.trial].trial)
        self.failures_in_a_row = self.failures_in_a_row + 1 if ended.state is State.FAILED else 0
        limit = self.plan.sweep.abort.consecutive_failures
        if limit and self.failures_in_a_row >= limit and self.stopped_by is None:
            self.stopped_by = Exit.TRIALS_FAILED
            self.why_stopped = f"{limit} trials in a row failed (abort.consecutive_failures)"

    def _may_retry(self, ended: Ended) -> bool:
        retry = self.plan.sweep.retry
        never = ended.reason.startswith((CONTRACT, *retry.never_on))
        return ended.state is State.FAILED and ended.attempt <= retry.max and not never and self.stopped_by is None

    def _check_budget(self) -> None:
        budget = self.plan.sweep.budget
        if self.stopped_by is not None or not (self.waiting or self._may_propose()):
            return
        if budget.wall_s is not None and time.monotonic() - self.began >= budget.wall_s:
            self.stopped_by, self.why_stopped = Exit.BUDGET, "the wall-time budget is spent"
        elif budget.device_s is not None and self.device_s >= budget.device_s:
            self.stopped_by, self.why_stopped = Exit.BUDGET, "the device-hours budget is spent"
        elif self.proposals is None and budget.trials is not None and self._with_result() >= budget.trials:
            self.stopped_by, self.why_stopped = Exit.BUDGET, "the budget of trials is spent"

    def _with_result(self) -> int:
        return sum(r.state.is_result for r in self.records.values()) + sum(len(p.jobs) for p in self.running.values())


@contextlib.contextmanager
def interruptible(session: Session) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal stop the session in good order while the block runs."""
    codes = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}
    codes |= {signal.SIGUSR1: Exit.TERMINATED, signal.SIGHUP: Exit.TERMINATED}

    def handle(number: int, frame: FrameType | None) -> None:
        session.interrupt(codes[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in codes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _advance(record: Record, event: Event) -> None:
    if isinstance(event, Started):
        record.attempt, record.started, record.ended, record.reports = event.attempt, event, None, []
    elif isinstance(event, Reported):
        record.reports = [event]  # the latest will do here: the curve is on the disk
    else:
        record.attempt, record.ended = event.attempt, event
