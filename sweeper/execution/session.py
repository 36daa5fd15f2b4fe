"""One `sweeper run`: hands packs to a runner, records what happens, retries, stops cleanly."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Concatenate, ParamSpec, TypeVar

from sweeper.errors import Exit
from sweeper.execution.budgets import Budgets
from sweeper.execution.event_log import EventLog, reused_events
from sweeper.execution.queue import JobQueue
from sweeper.execution.runner import Pack
from sweeper.execution.running_pack import ActivePacks, end_of
from sweeper.execution.seed_batches import SeedBatches
from sweeper.execution.stop_state import StopState
from sweeper.execution.worker.job import Job, StopOrder
from sweeper.ledger.history import History
from sweeper.planning.planned_trial import Action, PlannedTrial
from sweeper.search.prior import results_of
from sweeper.search.pruner import Pruner
from sweeper.spec.sweep import Budget, Sweep
from sweeper.trial import Cause, Ended, Event, Record, Started, State

SEARCH_ROUNDS = 8  # a search trains at most one part in so many of its budget at once, unless `resources.pack` is given
P = ParamSpec("P")
T = TypeVar("T")


def _alone(method: Callable[Concatenate[Session, P], T]) -> Callable[Concatenate[Session, P], T]:
    """One thread at a time: the runner's, and the one that takes commands up."""

    @functools.wraps(method)
    def call(self: Session, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.lock:
            return method(self, *args, **kwargs)

    return call


@dataclass(slots=True)
class Session:
    """The trials of a run on their way; the source of the runner's packs.

    The runner's thread makes all calls but those of commands, which hold `lock`, and `interrupt`, which the signal
    handlers make in the main thread and which must not wait. `max_concurrent` packs run at once (None: as many as the
    runner takes), at most `most_concurrent`.
    """

    queue: JobQueue
    log: EventLog
    budgets: Budgets
    stop: StopState
    pruner: Pruner | None = None
    batches: SeedBatches | None = None
    expect_more: Callable[[int], None] = lambda count: None  # called with how many trials were added, or are fewer
    when_done: Callable[[], None] = lambda: None  # called when no event will come any more
    active: ActivePacks = field(default_factory=ActivePacks)
    paused: bool = False
    max_concurrent: int | None = None
    most_concurrent: int | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def records(self) -> Mapping[str, Record]:
        """The trials of the run by key, proposals included."""
        return self.log.records

    def begin(self, provenance: dict[str, object], history: History) -> None:
        """Write the run down, take over the results that other sweeps have, and queue what must be trained."""
        plan, records = self.queue.plan, self.log.records
        trials = [item.trial for item in plan.items]
        self.log.ledger.run(plan.sweep.text, provenance, trials, history)
        records |= {t.key: history.records.get(t.key) or Record(t) for t in trials}
        for trial in trials:
            records[trial.key].trial = trial  # as the ledger has it now
        again = {trial.key for trial in plan.to_run}
        self.budgets.results = sum(r.state.is_result for key, r in records.items() if key not in again)
        for event in reused_events(self.log.ledger.sweep, plan.of(Action.REUSED)):
            self.record(event)
        if self.queue.proposals is not None:
            self.queue.proposals.begin(records.values(), results_of(plan.sweep, self.log.ledger.sweep.results))
        self.queue.add(plan.to_run)
        self._look()

    @_alone
    def next_pack(self) -> Pack | None:
        if self.paused or len(self.active) >= (self.max_concurrent or math.inf):
            return None
        jobs = self._take(1)
        if not jobs:
            return None
        size = self.queue.plan.sweep.resources.pack
        if not jobs[0].alone:
            jobs += self._take((size or 1) - 1, like=jobs[0])  # without a size the worker requests what pays
        return Pack(self.active.open(tuple(jobs)), tuple(jobs), size)

    @_alone
    def more(self, number: int, count: int) -> list[Job]:
        """A fair share of what waits: the other packs that run would like some too."""
        pack = self.active.packs[number]
        if pack.first.alone or self.paused:
            return []
        share = math.ceil(len(self.queue) / len(self.active)) if self.queue.proposals is None else self._search_share()
        jobs = self._take(int(min(count, share)), like=pack.first)
        self.active.hand(number, jobs)
        return jobs

    @_alone
    def is_done(self) -> bool:
        self._check_budget()
        nothing_waits = not (self.queue or self.queue.can_propose()) or self.stop.code is not None
        return nothing_waits and not self.active

    @_alone
    def is_stopping(self) -> bool:
        self._check_budget()
        return self.stop.is_stopping

    def is_waiting(self) -> bool:
        return self.paused or bool(self.queue)

    def is_cancelled(self) -> bool:
        return self.stop.is_cancelled

    @_alone
    def verdicts(self, number: int) -> Mapping[str, StopOrder]:
        pack = self.active.packs[number]
        pack.check_time(self.queue.plan.sweep.resources.timeout_s)
        return pack.verdicts

    @_alone
    def hung(self) -> list[int]:
        if self.queue.plan.sweep.resources.timeout_s is None:  # called after every event: not a look at each pack
            return []
        return [number for number, pack in self.active.packs.items() if self.verdicts(number) and pack.is_hung]

    def progress(self, steps: Mapping[str, int]) -> None:
        self.log.progress(steps)

    @_alone
    def record(self, event: Event) -> None:
        pack = self.active.with_trial(event.trial)
        if isinstance(event, Ended):
            order = pack.stopped.get(event.trial) if pack is not None else None
            if order is not None and event.state is State.FAILED:  # it was to end, and not to be tried again
                event = replace(event, state=order.state, reason=order.reason, cause="", error="")
            event = replace(event, retry=event.cause == Cause.CHANGED or self.budgets.may_retry(event))
        record = self.log.append(event)
        if pack is not None:
            pack.advance(event)
        reason = self.pruner.on_event(record.trial, event) if self.pruner is not None else ""
        if pack is not None and reason:
            pack.verdicts[event.trial] = StopOrder(State.PRUNED, reason)
        if isinstance(event, Started) and self.stop.code is None:
            self.queue.began()
        if isinstance(event, Ended):
            job = pack.open.pop(event.trial) if pack is not None else None
            if job is not None and event.cause == Cause.CHANGED:  # again it would be so: it waits for the next plan
                if self.stop.code is None:
                    hint = "The next run plans with the files as they are."
                    self.stop.stop_running(Exit.TRIALS_FAILED, event.reason, self.running, hint)
            elif job is not None and event.retry:
                self.queue.retry(job, event.attempt + 1)
            else:
                self._count(event, record)

    @_alone
    def lost(self, number: int, reason: str, cause: str = Cause.LOST) -> None:
        pack = self.active.packs[number]
        for trial in pack.lost_first:
            self.record(pack.lose(self.log.records[trial], reason, cause, self.queue.commit))

    @_alone
    def closed(self, number: int) -> None:
        pack = self.active.packs.pop(number)
        self.budgets.device_s += pack.seconds
        self.queue.put_back(pack.open.values())
        for trial, order in pack.stopped.items():  # its process ended before it could
            self.stop_waiting([trial], order.reason)
        if self.is_done():
            self.when_done()

    @_alone
    def stop_waiting(self, trials: Collection[str], reason: str) -> None:
        """Somebody stopped trials that wait: they end as they are."""
        for job in self.queue.remove(trials):
            record = self.records[job.trial]
            order = StopOrder(State.STOPPED, reason)
            self.record(end_of(record, record.attempt, order, self.queue.commit))

    @_alone
    def limit(self, budget: Budget, max_concurrent: int | None) -> None:
        """Other limits from here on."""
        before, sweep = self.queue.plan.sweep.budget.trials, replace(self.queue.plan.sweep, budget=budget)
        if self.queue.proposals is not None:
            self.expect_more(self._most_trials(budget.trials) - self._most_trials(before))
        self.queue.plan = replace(self.queue.plan, sweep=sweep)
        self.budgets.sweep, self.max_concurrent = sweep, max_concurrent

    def _most_trials(self, budget: int | None) -> int:
        """How many trials a search has in the end, as far as a budget tells."""
        return len(self.queue.plan.items) if budget is None else max(budget, len(self.records))

    def interrupt(self, code: Exit) -> None:
        """First call: no new packs, running ones may end. Second: they stop now. Third: die at once."""
        self.stop.interrupt(code, self.running)

    @_alone
    def end(self) -> Exit:
        """The runner is through: what it left unfinished is pending again. Returns how the run ended."""
        records = self.log.records.values()
        for record in records:
            if record.ended is None:
                record.started = None
        pending = any(record.state is State.PENDING for record in records)
        if self.stop.code is Exit.BUDGET and not (pending or self.queue.can_propose()):
            self.stop.withdraw()
        if self.stop.code is not None:
            return self.stop.code
        return Exit.TRIALS_FAILED if any(record.state is State.FAILED for record in records) else Exit.OK

    def _take(self, count: int, like: Job | None = None) -> list[Job]:
        """Jobs to hand out, of one shape, within the budget; a searcher proposes as many as are missing."""
        jobs: list[Job] = []
        while len(jobs) < count:
            self._check_budget(len(jobs))
            if self.stop.code is not None:
                break
            self.queue.propose(count - len(jobs))
            job = self.queue.take(like or (jobs[0] if jobs else None))
            if job is None:
                break
            jobs.append(job)
        return jobs

    def _search_share(self) -> float:
        """How many more trials of a search a worker gets that chooses the size of its pack.

        Trials that train at once are proposed without each other's results: all at once would be no search.
        """
        sweep = self.queue.plan.sweep
        if sweep.resources.pack is not None or sweep.budget.trials is None:
            return math.inf
        return max(0, math.ceil(sweep.budget.trials / SEARCH_ROUNDS) - self.active.trials)

    def _count(self, ended: Ended, record: Record) -> None:
        """A trial has ended for good."""
        self.budgets.count(ended)
        if self.queue.proposals is not None and not ended.origin:
            self.queue.proposals.ended(record.trial)
        if self.batches is not None and self.batches.ended(record.trial.key):
            self._look()
        if self.stop.code is None and (why := self.budgets.failing()):
            self.stop.start_nothing(Exit.TRIALS_FAILED, why)

    def _look(self) -> None:
        """Judge the claims whose seeds have ended, and take in the trials that the open ones need next."""
        while self.batches is not None and (planned := self.batches.look(self.records)):
            self._take_in(planned, self.batches.history)

    @_alone
    def extend(self, sweep: Sweep, configs: int, planned: Sequence[PlannedTrial], known: History) -> None:
        """Somebody added trials: the run goes on as that of the wider `sweep`."""
        plan = self.queue.plan
        self.queue.plan = replace(plan, sweep=sweep, configs=configs, items=(*plan.items, *planned))
        self.budgets.sweep = sweep
        self._take_in(planned, known)

    def _take_in(self, planned: Sequence[PlannedTrial], known: History) -> None:
        """Further trials, in mid-run."""
        self.log.records |= {one.trial.key: known.records.get(one.trial.key) or Record(one.trial) for one in planned}
        self.log.ledger.more(one.trial for one in planned)
        self.expect_more(sum(one.action in (Action.RUN, Action.REUSED) for one in planned))
        for event in reused_events(self.log.ledger.sweep, [one for one in planned if one.action is Action.REUSED]):
            self.record(event)
        self.queue.add(one.trial for one in planned if one.action is Action.RUN)

    def _check_budget(self, taken: int = 0) -> None:
        """Stop when a budget is spent: of time, the running trials too. `taken` trials are on their way to a pack."""
        if self.stop.deadline is not None or self.stop.code not in (None, Exit.BUDGET):
            return
        more = bool(self.queue) or (self.queue.can_propose() and self.stop.code is None)
        if (more or self.active) and (why := self.budgets.out_of_time(lambda: self.active.device_s)):
            self.stop.stop_running(Exit.BUDGET, why, self.running, "Press Ctrl-C to cancel them now.")
        elif more and self.queue.proposals is None and (why := self._out_of_trials(taken)):
            self.stop.start_nothing(Exit.BUDGET, why)  # a searcher counts its trials as it proposes them

    def _out_of_trials(self, taken: int) -> str:
        return self.budgets.out_of_trials(lambda: self.active.trials + taken)

    @property
    def running(self) -> int:
        """How many trials are in training."""
        records = list(self.log.records.values())  # copied at once: the runner's thread may add to them
        return sum(record.state is State.RUNNING for record in records)
