"""A driver that remembers what workers send, for tests of what workers do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Event


class Notebook:
    """Writes events down; `stops` and `cancels` are asked with the number of events so far."""

    def __init__(
        self,
        stops: Callable[[int], bool] = lambda count: False,
        cancels: Callable[[int], bool] = lambda count: False,
        waiting: Iterable[Job] = (),
    ) -> None:
        self.events: list[Event] = []
        self.verdicts: dict[str, StopOrder] = {}
        self.stops, self.cancels, self.waiting = stops, cancels, deque(waiting)

    def send(self, event: Event) -> None:
        self.events.append(event)

    def verdict(self, trial: str) -> StopOrder | None:
        return self.verdicts.get(trial)

    def is_stopping(self) -> bool:
        return self.stops(len(self.events)) or self.is_cancelled()

    def is_cancelled(self) -> bool:
        return self.cancels(len(self.events))

    def more(self, count: int, *, wait: bool) -> list[Job]:
        return [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]
