"""The jobs of a run that wait for a pack; a searcher adds to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from sweeper.execution.worker.job import Job
from sweeper.execution.worker.storage import below
from sweeper.execution.worker.trial_files import leave_mark
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.planning.plan import Plan
from sweeper.planning.settings import settings
from sweeper.search.proposals import Proposals
from sweeper.trainer.trainer import Trainer, complete
from sweeper.trial import Record, Trial


@dataclass(slots=True)
class JobQueue:
    """Jobs in the order in which they are handed out. `records` are those of the run, proposals included."""

    plan: Plan
    trainer: Trainer
    ledger: Ledger
    commit: str
    records: dict[str, Record]
    proposals: Proposals | None
    waiting: deque[Job] = field(default_factory=deque)
    home: SweepDir = field(init=False)  # where workers write: they may have another current folder
    mark: str = field(init=False)

    def __post_init__(self) -> None:
        self.home = SweepDir(self.ledger.sweep.results.resolve(), self.ledger.sweep.name)
        self.mark = leave_mark(self.home.path("trials")) if self.plan.sweep.storage else ""

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, trials: Iterable[Trial]) -> None:
        self.waiting.extend(map(self._job, trials))

    def take(self, like: Job | None) -> Job | None:
        """The first job, or the first that can be trained in one pack with `like`; None where there is none."""
        fits = (number for number, job in enumerate(self.waiting) if not like or job.may_join(like))
        found = next(fits, None)
        if found is None:
            return None
        job = self.waiting[found]
        del self.waiting[found]
        return job

    def remove(self, trials: Collection[str]) -> list[Job]:
        """Take these trials out of what waits. Returns their jobs."""
        removed = [job for job in self.waiting if job.trial in trials]
        self.waiting = deque(job for job in self.waiting if job.trial not in trials)
        return removed

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that were handed out and did not begin or finish come first again."""
        self.waiting.extendleft(replace(job, fresh=False) for job in reversed(list(jobs)))

    def retry(self, job: Job, attempt: int) -> None:
        """A failed attempt is repeated last, and in a pack of its own."""
        self.waiting.append(replace(job, attempt=attempt, alone=True, fresh=False))

    def can_propose(self) -> bool:
        """Whether a searcher would add further trials, within the budget of trials."""
        budget = self.plan.sweep.budget.trials
        may_grow = budget is None or len(self.records) < budget
        return self.proposals is not None and not self.proposals.exhausted and may_grow

    def began(self) -> None:
        """A trial has begun: a slow searcher may propose ahead."""
        if self.proposals is not None and self.can_propose():
            self.proposals.began()

    def propose(self, count: int) -> None:
        """Let the searcher add configurations until `count` jobs wait, within the budget of trials."""
        budget = self.plan.sweep.budget.trials
        while self.proposals is not None and self.can_propose() and len(self.waiting) < count:
            remaining = None if budget is None else budget - len(self.records)
            trials = self.proposals.more()[:remaining]
            if trials:
                records = [Record(trial) for trial in trials]
                self.records |= {record.trial.key: record for record in records}
                self.proposals.add(records)
                self.ledger.more(trials)
                self.add(trials)

    def _job(self, trial: Trial) -> Job:
        sweep, record = self.plan.sweep, self.records[trial.key]
        return Job(
            trial=trial.key,
            attempt=record.attempt + 1,
            target=self.trainer.target,
            params=settings(trial, sweep, self.trainer),
            goals=tuple(goal.name for goal in sweep.goals),
            directory=self.home.trial(trial.key),
            commit=self.commit,
            threads=max(1, int(sweep.resources.cpu)),
            keep=sweep.checkpoints.keep,
            every_s=sweep.checkpoints.every_s,
            maximize=bool(sweep.goals and sweep.goals[0].maximize),
            shape=self.trainer.shape(complete(self.trainer, trial.params)),
            fresh=record.state.is_result,
            searched=self.proposals is not None,
            data=self.trainer.data,
            storage=below(sweep.storage, sweep.name) if sweep.storage else "",
            mark=self.mark,
        )
