"""The mirror: keeps an MLflow experiment equal to a sweep's records.

The ledger is the truth; this is its copy. It may lag, be down, be deleted and be rebuilt, and never slows or stops a
sweep: the driver puts events in a queue, one thread writes them, and what goes wrong there is kept, tried again and
counted. Every connection begins by comparing the store with the records, so that a lost answer, a killed driver, an
emptied store and an ordinary first start are all the same case.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sweeper.analysis.columns import metric_names
from sweeper.ledger.paths import inside
from sweeper.tracking.experiment import Attachments, Experiment, MetricChoice
from sweeper.tracking.limits import one_line, will_last
from sweeper.tracking.overview_runs import RunState, config_overview, summary_overview
from sweeper.tracking.saved_views import views
from sweeper.tracking.server import serve as serve
from sweeper.tracking.store import Store
from sweeper.tracking.trial_run import Mirrored, MirroredTrial
from sweeper.trial import Event, Record, Trial

INTERVAL_S = 1.0  # one round of writing a second: the reports of a trial travel together
LONGEST_PAUSE_S = 30.0  # between attempts while MLflow is away
HURRIED_S = 5.0  # how long the end of a run waits for MLflow after a second interrupt
LAST_PAUSE_S = 0.5  # between the last attempts, while the end of a run waits
LAST_WORDS_S = 2.0  # how long those go on when nothing but a restarted server would help


def store_uri(results: Path) -> str:
    """The SQLite store of a results folder, absolute: Ray changes the working directory under a relative one."""
    return f"sqlite:///{inside(results.resolve(), 'mlflow.db')}"


def artifact_root(results: Path) -> str:
    """Where the store of a results folder keeps artifacts: an absolute `file:` address."""
    return inside(results.resolve(), "mlartifacts").as_uri()


class Mirror:
    """Keeps an MLflow experiment equal to a sweep's records, from a thread of its own.

    The caller holds the sweep's lock: two mirrors of one sweep would each undo the other's running trials.
    """

    def __init__(self, uri: str, artifacts: str, experiment: Experiment) -> None:
        self._store = Store(uri, artifacts, experiment)
        self._experiment = experiment
        self._copies: dict[str, MirroredTrial] = {}
        self._groups: dict[str, RunState] = {}
        self._summary = RunState()
        self._attachments: Attachments | None = None
        self._at: MirroredTrial | RunState | None = None  # what is being written
        self._events: queue.SimpleQueue[tuple[Trial, Event]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sweeper-mirror", daemon=True)
        self._error = ""

    def start(self, records: Iterable[Record]) -> None:
        """Starts the thread. `records` is what the ledger knows of the sweep's trials, reports included."""
        self.load(records)
        self._thread.start()

    def push(self, trial: Trial, event: Event) -> None:
        """Takes note of an event; never blocks, never raises."""
        self._events.put((trial, event))

    def finish(self, attachments: Attachments) -> None:
        """No event will come any more: the thread writes what is left, the sweep's run with its files, and ends."""
        self._attachments = attachments
        self._closing.set()

    def hurry(self) -> None:
        """The user waits for the end of the run: `close` waits for HURRIED_S at most."""
        self._hurried.set()

    def close(self, timeout_s: float) -> Mirrored:
        """Waits until all is written, or gives up after `timeout_s` seconds, sooner when no server is there."""
        self._closing.set()
        began = time.monotonic()
        while self._thread.is_alive():
            longest_s = min(timeout_s, HURRIED_S) if self._hurried.is_set() else timeout_s
            if time.monotonic() >= began + longest_s:
                break
            self._thread.join(0.1)
        if self._thread.is_alive():
            self._abandoned.set()
            self._drain()  # the thread no longer does
            waited_s = time.monotonic() - began
            self._error = self._error or f"{self._store.address} did not answer within {waited_s:.0f} s"
        return self.standing()

    def load(self, records: Iterable[Record]) -> None:
        """Takes the records over: the driver goes on appending to its own while our thread reads ours."""
        for record in records:
            self._add(replace(record, reports=list(record.reports)))

    def write(self, last: bool) -> bool:
        """One round: what is pending goes to MLflow. An error ends the round, and the next one begins by comparing."""
        self._at = None
        try:
            self._store.open(self._copies, self._groups, self._summary)
            pending = [mirrored for mirrored in self._copies.values() if mirrored.pending]
            # What MLflow refused before comes last, so that it holds up nothing else.
            self._write_trials(mirrored for mirrored in pending if not mirrored.rejections)
            self._write_groups(last)
            if last:
                self._interrupt()
                self._write_summary()
            refused = (mirrored for mirrored in pending if mirrored.rejections)
            self._write_trials(sorted(refused, key=lambda mirrored: mirrored.rejections))
            if last:
                self._interrupt()
        except Exception as error:
            if self._at is not None:
                self._at.rejections += 1
            self._store.close()
            self._error = one_line(error, self._store.address)
            return False
        if self._abandoned.is_set():
            return False
        self._error = ""
        return True

    def standing(self) -> Mirrored:
        """How the mirror stands now; exact once the thread has ended or was given up."""
        copies = list(self._copies.values())
        shown, pending = sum(bool(c.run) and not c.pending for c in copies), sum(c.pending for c in copies)
        overviews = sum(group.is_due for group in list(self._groups.values()))
        overviews += self._summary.changed and any(mirrored.is_shown for mirrored in copies)
        return Mirrored(shown, pending, self._error, overviews)

    def _write_trials(self, copies: Iterable[MirroredTrial]) -> None:
        for mirrored in copies:
            if self._abandoned.is_set():
                return
            self._at = mirrored
            self._store.write(mirrored, self._parent(mirrored))

    def _parent(self, mirrored: MirroredTrial) -> str:
        """The run that the trial's is nested in, made here when its second seed comes; "" for a single seed."""
        group = self._groups[mirrored.record.trial.config]
        if group.is_group and not group.run:
            self._store.begin(group, config_overview(self._experiment, group.records()))
        return group.run

    def _write_groups(self, last: bool) -> None:
        due = (group for group in self._groups.values() if group.is_due and (last or group.is_settled))
        for group in sorted(due, key=lambda group: group.rejections):
            if self._abandoned.is_set():
                return
            self._at = group
            self._store.show(group, config_overview(self._experiment, group.records()))
            for mirrored in group.members:
                if mirrored.run and mirrored.parent != group.run:
                    self._store.nest(mirrored, group.run)

    def _interrupt(self) -> None:
        """Ends the runs of trials that were cut short."""
        for mirrored in self._copies.values():
            if mirrored.running and mirrored.run and not (mirrored.interrupted or self._abandoned.is_set()):
                self._store.interrupt(mirrored)

    def _write_summary(self) -> None:
        """What is written once, at the end: the views and the run of the whole sweep."""
        shown = [mirrored.record for mirrored in self._summary.members if mirrored.is_shown]
        if not shown or self._abandoned.is_set():
            return
        self._at = self._summary
        grouped = any(group.is_group for group in self._groups.values())
        self._store.set_tags(views(self._experiment, [record.trial for record in shown], metric_names(shown), grouped))
        files = self._attachments.files() if self._attachments is not None else {}
        self._store.show(self._summary, summary_overview(self._experiment, shown, files))

    def _loop(self) -> None:
        pause_s, closing_since = 0.0, 0.0
        while not self._abandoned.is_set():
            closing = self._closing.is_set()  # read before the queue: what was pushed before `close` gets written
            closing_since = closing_since or (time.monotonic() if closing else 0.0)
            self._drain()
            if self.write(last=closing):
                pause_s = INTERVAL_S
                if closing:
                    return
            elif closing:
                pause_s = LAST_PAUSE_S
                if will_last(self._error) and time.monotonic() - closing_since > LAST_WORDS_S:
                    return
            else:
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s + 0.5)
            (self._abandoned if closing else self._closing).wait(pause_s)

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                trial, event = self._events.get_nowait()
                mirrored = self._copies.get(trial.key) or self._add(Record(trial))
                mirrored.take(event)
                self._groups[trial.config].changed = self._summary.changed = True

    def _add(self, record: Record) -> MirroredTrial:
        """A trial comes in: it belongs to its configuration and to the sweep."""
        mirrored = self._copies[record.trial.key] = MirroredTrial(record, MetricChoice.of(self._experiment))
        self._groups.setdefault(record.trial.config, RunState()).members.append(mirrored)
        self._summary.members.append(mirrored)
        return mirrored


def sync(
    uri: str, artifacts: str, experiment: Experiment, records: Iterable[Record], attachments: Attachments
) -> Mirrored:
    """Writes whatever MLflow lacks, here and now: one run per trial, also into an empty store. Needs the lock too."""
    mirror = Mirror(uri, artifacts, experiment)
    mirror.load(records)
    mirror.finish(attachments)
    for _ in range(3):  # a trial that MLflow refuses, or a passing fault, must not keep the others out
        if mirror.write(last=True):
            break
    return mirror.standing()
