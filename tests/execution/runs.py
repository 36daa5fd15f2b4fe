"""Runs of a sweep file in this process, without a screen and without MLflow: quick, and all else is real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.execution.budgets import Budgets
from sweeper.execution.event_log import EventLog
from sweeper.execution.queue import JobQueue
from sweeper.execution.runner import run_in_process
from sweeper.execution.seed_batches import SeedBatches
from sweeper.execution.session import Session
from sweeper.execution.stop_state import StopState
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.planning import plan
from sweeper.planning.planned_trial import Rerun
from sweeper.planning.trial_factory import TrialFactory
from sweeper.search.proposals import Proposals
from sweeper.search.pruner import Pruner
from sweeper.spec.load import load_spec
from sweeper.spec.sweep import ADAPTIVE
from sweeper.trainer import trainer
from sweeper.trial import Event, Record, Trial


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.messages: list[str] = []

    def push(self, trial: Trial, event: Event) -> None:
        self.events.append(event)


@contextmanager
def opened(file: Path, *overrides: str, rerun: str = "nothing") -> Iterator[tuple[Session, Notes]]:
    """A session that has begun, in the folder `results` beside the file."""
    sweep, results = load_spec(file, overrides), file.parent / "results"
    assert sweep.trainer is not None
    found = trainer.find(sweep.trainer)
    made = plan.make(sweep, found, results, Rerun(rerun))
    notes = Notes()
    with Ledger(SweepDir(results, sweep.name)) as book:
        show = notes.messages.append
        proposals = Proposals(sweep, TrialFactory.of(sweep, found), show) if sweep.method in ADAPTIVE else None
        history = read_history(book.sweep, curves=True)
        pruner = Pruner.of(sweep, history.records.values())
        records: dict[str, Record] = {}
        queue, log = JobQueue(made, found, book, "abc", records, proposals), EventLog(book, records, (notes,))
        batches = SeedBatches.of(made, found, book, history, show)
        session = Session(queue, log, Budgets(sweep), StopState(show), pruner, batches)
        registered = {"claims": [claim.keys for claim in sweep.claims], "looks": sweep.looks is not None}
        session.begin(registered if sweep.looks else {}, history)
        yield session, notes
        book.stop(session.end(), "")


def train(file: Path, *overrides: str, rerun: str = "nothing") -> Session:
    """Run a sweep file to its end."""
    with opened(file, *overrides, rerun=rerun) as (session, _):
        run_in_process(session)
    return session
