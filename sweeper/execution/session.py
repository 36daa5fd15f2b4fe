"""One `sweeper run`: hands packs to a runner, writes down what happens, tries again, stops cleanly."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from sweeper.errors import Exit
from sweeper.execution.budgets import Budgets
from sweeper.execution.queue import JobQueue
from sweeper.execution.runner import Pack
from sweeper.execution.running_pack import RunningPack
from sweeper.execution.worker.job import Job, StopOrder
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.planning.plan import Plan
from sweeper.planning.planned_trial import Action
from sweeper.search.proposals import Proposals
from sweeper.search.pruner import Pruner
from sweeper.trainer import Trainer
from sweeper.trial import Cause, Ended, Event, Record, Started, State, Trial

GRACE_S = 60.0  # how long running trials may go on after the first interrupt


class Watcher(Protocol):
    """Receives every event after it has been written to the ledger: the display, the MLflow mirror."""

    def push(self, trial: Trial, event: Event) -> None: ...


@dataclass(slots=True)
class Session:
    """The trials of a run on their way; the source that a runner asks. All calls come from the runner's thread,
    except `interrupt`, which the signal handlers make."""

    plan: Plan
    ledger: Ledger
    trainer: Trainer
    commit: str
    history: History
    watchers: tuple[Watcher, ...]
    say: Callable[[str], None]
    records: dict[str, Record]
    proposals: Proposals | None = None
    pruner: Pruner | None = None
    over: Callable[[], None] = lambda: None  # called when no event will come any more
    queue: JobQueue = field(init=False)
    running: dict[int, RunningPack] = field(default_factory=dict)
    place: dict[str, RunningPack] = field(default_factory=dict)  # of the trials that were handed out
    limits: Budgets = field(init=False)
    packs: int = 0
    trained: int = 0
    stopped_by: Exit | None = None
    why_stopped: str = ""
    deadline: float | None = None  # monotonic: running packs are cancelled then

    def __post_init__(self) -> None:
        self.limits = Budgets(self.plan.sweep)
        self.queue = JobQueue(self.plan, self.trainer, self.ledger, self.commit, self.records, self.proposals)

    def begin(self, text: str, provenance: dict[str, object]) -> None:
        """Write the run down, take over the results that other sweeps have, and queue what is to be trained."""
        trials = [item.trial for item in self.plan.items]
        self.ledger.run(text, provenance, trials, self.history)
        self.records |= {t.key: self.history.records.get(t.key) or Record(t) for t in trials}
        again = {trial.key for trial in self.plan.to_run}
        self.limits.results = sum(r.state.is_result for key, r in self.records.items() if key not in again)
        self._adopt()
        if self.proposals is not None:
            self.proposals.begin(self.records.values())
        self.queue.add(self.plan.to_run)

    def next_pack(self) -> Pack | None:
        jobs = self._take(1)
        if not jobs:
            return None
        size = self.plan.sweep.resources.pack
        if not jobs[0].alone:
            jobs += self._take((size or 1) - 1, like=jobs[0])  # without a size the worker asks for what pays
        self.packs += 1
        pack = Pack(self.packs, tuple(jobs), size)
        running = self.running[pack.number] = RunningPack(jobs[0], {})
        self._hand(jobs, running)
        return pack

    def more(self, number: int, count: int) -> list[Job]:
        """A fair share of what waits: the other packs that run would like some too."""
        running = self.running[number]
        if running.first.alone:
            return []
        share = math.ceil(len(self.queue) / len(self.running)) if self.proposals is None else count
        jobs = self._take(min(count, share), like=running.first)
        self._hand(jobs, running)
        return jobs

    def is_done(self) -> bool:
        self._check_budget()
        nothing_waits = not (self.queue or self.queue.can_propose()) or self.stopped_by is not None
        return nothing_waits and not self.running

    def is_stopping(self) -> bool:
        self._check_budget()
        return self.deadline is not None or self.stopped_by is Exit.TRIALS_FAILED

    def is_cancelled(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def verdicts(self, number: int) -> Mapping[str, StopOrder]:
        running = self.running[number]
        running.check_time(self.plan.sweep.resources.timeout_s)
        return running.verdicts

    def hung(self) -> list[int]:
        return [number for number in self.running if self.verdicts(number) and self.running[number].is_hung]

    def record(self, event: Event) -> None:
        record = self.records[event.trial]
        if isinstance(event, Ended):
            event = replace(event, retry=event.cause == Cause.CHANGED or self.limits.may_retry(event))
        self.ledger.record(event)
        record.advance(event)
        for watcher in self.watchers:
            watcher.push(record.trial, event)
        running = self.place.get(event.trial)
        if running is not None:
            running.advance(event)
        reason = self.pruner.on_event(record.trial, event) if self.pruner is not None else ""
        if running is not None and reason:
            running.verdicts[event.trial] = StopOrder(State.PRUNED, reason)
        if isinstance(event, Started) and self.stopped_by is None:
            self.queue.began()
        if isinstance(event, Ended):
            self._after(event)

    def lost(self, number: int, reason: str, cause: str = Cause.LOST) -> None:
        running, now = self.running[number], time.time()
        # A process that died before any trial began must not be started for ever: it counts against the first one.
        for trial in list(running.since) or list(running.open)[:1]:
            record, job = self.records[trial], running.open[trial]
            begun = record.started or Started(trial, job.attempt, now, "", "")
            last = record.reports[-1] if record.reports else None
            verdict = running.verdicts.get(trial)
            ordered = verdict if verdict and verdict.state is State.FAILED else None
            ended = Ended(
                trial=trial,
                attempt=job.attempt,
                at=now,
                state=State.FAILED,
                reason=ordered.reason if ordered else reason,
                metrics=last.metrics if last else {},
                steps=last.step if last else begun.step,
                wall_s=now - begun.at,
                started_at=begun.at,
                device=begun.device,
                host=begun.host,
                commit=self.commit,
                cause=ordered.cause if ordered else cause,
            )
            self.record(ended)

    def closed(self, number: int) -> None:
        running = self.running.pop(number)
        self.limits.device_s += running.seconds
        self.queue.put_back(running.open.values())
        for trial in running.open:
            del self.place[trial]
        if self.is_done():
            self.over()

    def interrupt(self, code: Exit) -> None:
        """First call: no new packs, running ones may end within GRACE_S. Second: they stop now. Third: die at once.

        When a budget stopped the run already, the first call is the second.
        """
        if self.deadline is None:
            self._stop(code, "interrupted", "Press Ctrl-C again to cancel them now.")
        elif not self.is_cancelled():
            self.stopped_by, self.why_stopped = code, "interrupted"
            self.deadline = time.monotonic()
            self.say("Cancelling the running trials; what has finished is safe. Press Ctrl-C again to die at once.")
        else:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def end(self) -> Exit:
        """The runner is through: what it left unfinished is pending again. Returns how the run ended."""
        for record in self.records.values():
            if record.ended is None:
                record.started = None
        if self.stopped_by is Exit.BUDGET and not self._is_unfinished():
            self.stopped_by, self.why_stopped = None, ""
        if self.stopped_by is not None:
            return self.stopped_by
        failed = any(record.state is State.FAILED for record in self.records.values())
        return Exit.TRIALS_FAILED if failed else Exit.OK

    def _take(self, count: int, like: Job | None = None) -> list[Job]:
        """Jobs to hand out, of one shape, within the budget; a searcher is asked for as many as are missing."""
        jobs: list[Job] = []
        while len(jobs) < count:
            self._check_budget(len(jobs))
            if self.stopped_by is not None:
                break
            self.queue.propose(count - len(jobs))
            job = self.queue.take(like or (jobs[0] if jobs else None))
            if job is None:
                break
            jobs.append(job)
        return jobs

    def _hand(self, jobs: list[Job], running: RunningPack) -> None:
        running.open |= {job.trial: job for job in jobs}
        self.place |= {job.trial: running for job in jobs}

    def _is_unfinished(self) -> bool:
        """Whether the same command would find something to train."""
        return self.queue.can_propose() or any(record.state is State.PENDING for record in self.records.values())

    def _adopt(self) -> None:
        reused = self.plan.of(Action.REUSED)
        results = self.ledger.sweep.results
        origins = {item.origin: read_history(SweepDir(results, item.origin), curves=True) for item in reused}
        for item in reused:
            source = origins[item.origin].records[item.trial.key]
            assert source.ended is not None, "planned as reused, so it has a result"
            origin = source.ended.origin or item.origin
            reports = [replace(report, attempt=source.ended.attempt) for report in source.reports]
            events: list[Event] = [*reports, replace(source.ended, origin=origin)]
            for event in events:
                self.record(event)

    def _after(self, ended: Ended) -> None:
        running = self.place.pop(ended.trial, None)
        if running is not None:
            job = running.open.pop(ended.trial)
            if ended.cause == Cause.CHANGED:  # it would be so again: the trial waits for the next plan
                if self.stopped_by is None:
                    self._stop(Exit.TRIALS_FAILED, ended.reason, "The next run plans with the files as they are.")
                return
            if ended.retry:
                self.queue.retry(job, ended.attempt + 1)
                return
        self.limits.count(ended)
        self.trained += not ended.origin
        if self.proposals is not None and not ended.origin:
            self.proposals.ended(self.records[ended.trial].trial)
        if self.stopped_by is None and (why := self.limits.failing()):
            self.stopped_by, self.why_stopped = Exit.TRIALS_FAILED, why

    def _check_budget(self, taken: int = 0) -> None:
        """Stop when a budget is spent: of time, the running trials too. `taken` trials are on their way to a pack."""
        if self.deadline is not None or self.stopped_by not in (None, Exit.BUDGET):
            return
        more = bool(self.queue) or (self.queue.can_propose() and self.stopped_by is None)
        device_s = sum(running.seconds for running in self.running.values())
        if (more or self.running) and (why := self.limits.out_of_time(device_s)):
            self._stop(Exit.BUDGET, why, "Press Ctrl-C to cancel them now.")
        elif more and self.proposals is None and (why := self.limits.out_of_trials(len(self.place) + taken)):
            self.stopped_by, self.why_stopped = Exit.BUDGET, why  # a searcher counts its trials as it proposes them

    def _stop(self, code: Exit, why: str, hint: str) -> None:
        """Start nothing new, and let running trials stop at their next checkpoint within GRACE_S."""
        self.stopped_by, self.why_stopped = code, why
        self.deadline = time.monotonic() + GRACE_S
        records = list(self.records.values())  # at once: the runner's thread may add to them
        running = sum(record.state is State.RUNNING for record in records)
        self.say(
            f"Stopping, {why}: no new trials start; {running} running stop at their next checkpoint, or end, within "
            f"{GRACE_S:.0f} s. {hint}"
        )
