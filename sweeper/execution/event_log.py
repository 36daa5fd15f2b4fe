"""What happens to the trials of a run, in one order for all: the ledger first, then the records, then who watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.planning.planned_trial import PlannedTrial
from sweeper.trial import Event, Record, State, Trial


class Watcher(Protocol):
    """Receives every event after it has been written to the ledger: the display, the MLflow mirror."""

    def push(self, trial: Trial, event: Event) -> None: ...


@dataclass(slots=True)
class EventLog:
    """The events of a run. `records` are those of its trials by key; a searcher adds to them."""

    ledger: Ledger
    records: dict[str, Record]
    watchers: tuple[Watcher, ...]
    on_step: Callable[[Trial, int], None] = lambda trial, step: None  # called with what the ledger does not have
    on_steps: Callable[[Mapping[str, int]], None] = lambda steps: None  # the same, of all trials at once

    def append(self, event: Event) -> Record:
        """Write an event down and pass it on. Returns the record of its trial."""
        record = self.records[event.trial]
        self.ledger.record(event)
        record.advance(event)
        for watcher in self.watchers:
            watcher.push(record.trial, event)
        return record

    def progress(self, steps: Mapping[str, int]) -> None:
        """Show what steps trials have made since their last reports."""
        running = {key: step for key, step in steps.items() if self.records[key].state is State.RUNNING}
        for key, step in running.items():
            self.on_step(self.records[key].trial, step)
        self.on_steps(running)


def reused_events(results: SweepDir, reused: list[PlannedTrial]) -> list[Event]:
    """The reports and ends of trials that other sweeps of the results folder have trained."""
    others = {item.origin: SweepDir(results.results, item.origin) for item in reused}
    origins = {name: read_history(folder, curves=True) for name, folder in others.items()}
    events: list[Event] = []
    for item in reused:
        source = origins[item.origin].records[item.trial.key]
        assert source.ended is not None, "planned as reused, so it has a result"
        events += [replace(report, attempt=source.ended.attempt) for report in source.reports]
        events.append(replace(source.ended, origin=source.ended.origin or item.origin))
    return events
