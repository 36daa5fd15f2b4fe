"""The steps that running trials have made since their last reports: RESULTS/NAME/steps.json, for who watches the run.

Nothing depends on it: it is replaced every few seconds, never flushed to the disk, and what cannot be written or read
is as if no trial had made a step.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from sweeper.errors import LedgerError
from sweeper.ledger import regular_file
from sweeper.ledger.atomic import replaced
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Event, Reported, Trial

WRITE_S = 2.0
MOST_BYTES = 8_000_000  # a longer file is none of ours


@dataclass(frozen=True, slots=True)
class LiveSteps:
    """The step of each trial by its key, as of `at` (epoch seconds), and when which step was seen first."""

    at: float = 0.0
    steps: Mapping[str, int] = field(default_factory=dict)
    first: Mapping[str, tuple[float, int]] = field(default_factory=dict)


class LiveStepsFile:
    """The file while a run writes it; a run begins and ends without one. A watcher of the run's events and steps."""

    def __init__(self, sweep: SweepDir) -> None:
        self._place = sweep.live_steps
        self._steps: dict[str, int] = {}
        self._first: dict[str, tuple[float, int]] = {}
        self._written = 0.0
        self._lock = threading.Lock()  # packs of one process are trained by threads

    def __enter__(self) -> LiveStepsFile:
        self._remove()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def push(self, trial: Trial, event: Event) -> None:
        """A trial that has ended, or begins again, has made no step."""
        if not isinstance(event, Reported):
            with self._lock:
                self._steps.pop(trial.key, None)
                self._first.pop(trial.key, None)

    def reach(self, steps: Mapping[str, int]) -> None:
        """These trials have made these steps."""
        with self._lock:
            self._steps |= steps
            for trial in steps.keys() - self._first.keys():
                self._first[trial] = time.time(), steps[trial]
            if self._steps and time.monotonic() - self._written > WRITE_S:
                self._written = time.monotonic()
                text = json.dumps({"at": time.time(), "steps": self._steps, "first": self._first})
                with contextlib.suppress(OSError), replaced(self._place, flush=False) as temporary:
                    temporary.write_text(text, encoding="utf-8")

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self._place.unlink(missing_ok=True)


def read_live_steps(sweep: SweepDir) -> LiveSteps:
    """The steps as last written; none where there is no such file, or another one."""
    try:
        found = json.loads(regular_file.read(sweep.live_steps, MOST_BYTES))
        steps = {str(trial): int(step) for trial, step in found["steps"].items()}
        first = {str(trial): (float(at), int(step)) for trial, (at, step) in found["first"].items()}
        return LiveSteps(float(found["at"]), steps, first)
    except (OSError, LedgerError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return LiveSteps()
