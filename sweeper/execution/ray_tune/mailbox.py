"""The mailbox between the thread that trains a pack and the process that talks to the driver, in a worker of Ray."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sweeper.execution.runner import Orders
from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Ended, Event

HEARTBEAT_S = 1.0  # a worker answers at least this often, so that a stop arrives while a long step runs
ANSWER_S = 5.0  # how long a worker without a trial waits for the driver's answer before it ends its pack
WAKE: Any = object()  # an event that carries nothing: the driver must be asked now


class Mailbox:
    """What a pack's thread and the driver send each other; the driver empties it when Tune requests the next step.

    The trainer never waits for the driver: what it sends queues up here, and so do the driver's orders. `keep` is given
    the events that the driver is not known to have, and the number of the first one, whenever a trial has ended.
    """

    def __init__(self, keep: Callable[[int, Sequence[Event]], None] = lambda first, events: None) -> None:
        self.keep = keep
        self.sending = threading.Lock()
        self.unconfirmed: list[Event] = []
        self.confirmed = self.handed = 0  # events that the driver has, and those on their way to it
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.stopping, self.cancelled = threading.Event(), threading.Event()
        self.steps: dict[str, int] = {}  # that trials have made since the driver last asked
        self.verdicts: dict[str, StopOrder] = {}
        self.delivered: list[Job] = []
        self.wanted = 0
        self.broken = ""  # what ended the thread, when that was not the end of its pack
        self.changed = threading.Condition()

    def received(self) -> tuple[list[Event | None], int | None]:
        """The driver's side: all events since the last call, and how many jobs are asked for (None: not asked)."""
        with self.sending:  # Tune takes the next step after it has passed the last one on
            self.confirmed, self.unconfirmed = self.confirmed + self.handed, self.unconfirmed[self.handed :]
            self.handed = 0
        events: list[Event | None] = []
        with contextlib.suppress(queue.Empty):
            events.append(self.events.get(timeout=HEARTBEAT_S))
            while True:
                events.append(self.events.get_nowait())
        with self.changed:
            wanted = self.wanted - len(self.delivered)
        events = [event for event in events if event is not WAKE]
        self.handed = len([event for event in events if event is not None])
        return events, wanted if wanted > 0 else None

    def progress(self, trial: str, step: int) -> None:
        with self.sending:
            self.steps[trial] = step

    def steps_made(self) -> dict[str, int]:
        """The driver's side: the steps that trials have made since the last call."""
        with self.sending:
            steps, self.steps = self.steps, {}
        return steps

    def deliver(self, orders: Orders) -> None:
        """The driver's side: its orders to the pack."""
        with self.changed:
            self.verdicts |= orders.verdicts
            if orders.stopping:
                self.stopping.set()
            if orders.jobs is not None:
                self.delivered += orders.jobs
                self.wanted = 0
            self.changed.notify_all()

    def send(self, event: Event) -> None:
        with self.sending:
            self.unconfirmed.append(event)
            if isinstance(event, Ended):
                self.keep(self.confirmed, self.unconfirmed)
            self.events.put(event)

    def verdict(self, trial: str) -> StopOrder | None:
        return self.verdicts.get(trial)

    def is_stopping(self) -> bool:
        return self.stopping.is_set() or self.cancelled.is_set()

    def is_cancelled(self) -> bool:
        return self.cancelled.is_set()

    def more(self, count: int, *, wait: bool) -> Sequence[Job]:
        with self.changed:
            if not self.delivered:
                self.wanted = count
                if wait:
                    self.events.put(WAKE)
                    self.changed.wait_for(lambda: self.wanted == 0 or self.is_stopping(), timeout=ANSWER_S)
            jobs, self.delivered = self.delivered[:count], self.delivered[count:]
            return jobs
