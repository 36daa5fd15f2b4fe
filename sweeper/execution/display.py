"""The displays that show a run to its user: what they receive, and one that shows nothing."""

from __future__ import annotations

from typing import Protocol

from sweeper.execution.event_log import Watcher
from sweeper.trial import Event, Trial


class Display(Watcher, Protocol):
    """Shows a run to its user."""

    def show(self, text: str) -> None:
        """Show a message."""

    def show_activity(self, text: str) -> None:
        """Show what the run does until the first trial trains."""

    def show_step(self, trial: Trial, step: int) -> None:
        """Show what step a trial has made since its last report."""

    def expect_more(self, count: int) -> None:
        """So many trials were added to the run; fewer are to come where it is negative."""


class Silence:
    """The display of a run that shows nothing."""

    def push(self, trial: Trial, event: Event) -> None:
        pass

    def show(self, text: str) -> None:
        pass

    def show_activity(self, text: str) -> None:
        pass

    def show_step(self, trial: Trial, step: int) -> None:
        pass

    def expect_more(self, count: int) -> None:
        pass
