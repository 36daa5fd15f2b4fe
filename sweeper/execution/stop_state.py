"""Whether a run stops early, and how far it has got with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from sweeper.errors import Exit

GRACE_S = 60.0  # how long running trials may go on after the first interrupt


@dataclass(slots=True)
class StopState:
    """Why a run stops early: `code` None while it does not. Running packs are cancelled at `deadline` (monotonic)."""

    show: Callable[[str], None]
    code: Exit | None = None
    why: str = ""
    deadline: float | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether running packs must stop at their next checkpoint."""
        return self.deadline is not None or self.code is Exit.TRIALS_FAILED

    @property
    def is_cancelled(self) -> bool:
        """Whether running packs must stop now."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def start_nothing(self, code: Exit, why: str) -> None:
        """Start no further trials."""
        self.code, self.why = code, why

    def stop_running(self, code: Exit, why: str, running: int, hint: str) -> None:
        """Start nothing new, and let the `running` trials stop at their next checkpoint within GRACE_S."""
        self.start_nothing(code, why)
        self.deadline = time.monotonic() + GRACE_S
        self.show(
            f"Stopping, {why}: no new trials start; {running} running stop at their next checkpoint, or end, within "
            f"{GRACE_S:.0f} s. {hint}"
        )

    def interrupt(self, code: Exit, running: int) -> None:
        """First call: no new packs, running ones may end within GRACE_S. Second: they stop now. Third: die at once.

        When a budget stopped the run already, the first call is the second. Signal handlers call this.
        """
        if self.deadline is None:
            self.stop_running(code, "interrupted", running, "Press Ctrl-C again to cancel them now.")
        elif not self.is_cancelled:
            self.start_nothing(code, "interrupted")
            self.deadline = time.monotonic()
            self.show("Cancelling the running trials; what has finished is safe. Press Ctrl-C again to die at once.")
        else:
            os.killpg(os.getpgrp(), signal.SIGKILL)

    def withdraw(self) -> None:
        """Nothing was left to stop."""
        self.code, self.why = None, ""
