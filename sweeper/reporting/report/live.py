"""The report of a sweep that runs: rendered again when its files have changed, and when somebody looks.

Tables and claims follow within seconds. Plots take longer, so a thread of their own draws them, and each page has the
last ones that were finished. Rendering rests three times as long as it took: the machine is there for the sweep.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.analysis.progress import Progress, RunningTrial, SweepSummary, summarize
from sweeper.analysis.rounding import rounded
from sweeper.analysis.sweep_results import SweepResults
from sweeper.ledger import lock
from sweeper.ledger.paths import SweepDir
from sweeper.provenance import digest
from sweeper.reporting.report.page import PAGE, LiveFacts, PageFigure, RunningCurve, figures_of, render
from sweeper.trial import State
from sweeper.value_text import duration, plural

REST = 3.0  # times as long as the last rendering took
LEAST_S, LEAST_PLOTS_S = 1.0, 10.0  # and at least so long
CLOSE_S = 10.0  # how long the end waits for plots
MOST_CURVES, MOST_FAILURES = 12, 10


@dataclass(frozen=True, slots=True)
class DrawnPlots:
    """The plots as last drawn, and of which state of the sweep; `seconds` is how long that took."""

    plots: Sequence[PageFigure] = ()
    skipped: Sequence[str] = ()
    of: str = ""
    at: float = 0.0
    seconds: float = 0.0


class LiveReport:
    """The page of one sweep, for any number of readers."""

    def __init__(self, sweep: SweepDir) -> None:
        self._sweep, self._lock = sweep, threading.Lock()
        self._script = (PAGE / "page.live.js").read_text(encoding="utf-8")
        self._page, self._version = b"", ""
        self._at = self._seconds = 0.0
        self._drawn = DrawnPlots()
        self._drawing: threading.Thread | None = None

    def page(self) -> tuple[bytes, str]:
        """The page and the version that it shows. Raises SweeperError where the sweep cannot be read."""
        with self._lock:
            state = self._state()
            is_due = time.monotonic() - self._at >= max(LEAST_S, REST * self._seconds)
            version = digest(f"{state} {self._drawn.at} {_changed(self._sweep.live_steps)}")
            if not self._page or (version != self._version and is_due):
                began = time.monotonic()
                self._page, self._version = self._rendered(version), version
                self._at = time.monotonic()
                self._seconds = self._at - began
            self._draw(state)
            return self._page, self._version

    def close(self) -> None:
        """Wait for plots that are being drawn: where Python ends under a thread in matplotlib, the process aborts."""
        if self._drawing is not None:
            self._drawing.join(CLOSE_S)

    def _state(self) -> str:
        """A text that changes when the sweep does: how long its files are, and who runs it."""
        sizes = [_changed(path) for path in (self._sweep.ledger, self._sweep.curves, self._sweep.spec)]
        return f"{sizes} {lock.holder(self._sweep.lock)}"

    def _rendered(self, version: str) -> bytes:
        now = time.time()
        results = SweepResults.at_once(self._sweep)
        seen = summarize(self._sweep, results.sweep, now, results.history)
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        is_running = bool(seen.progress.driver)
        facts = LiveFacts(
            version=version,
            state="running" if is_running else "over",
            text=f"{_state(seen.progress)}; as of {clock}",
            counts=_counts(seen.progress),
            total=max(1, sum(seen.progress.counts.values())),
            ended=_ended(seen.progress),
            running=[_curve(one, seen) for one in seen.running[:MOST_CURVES]],
            failures=seen.progress.failures[-MOST_FAILURES:],
            more=_left_out(seen),
            plots=self._drawn.plots,
            skipped=self._drawn.skipped,
            drawn=bool(self._drawn.of),
            script=self._script,
        )
        return render(results, facts).encode()

    def _draw(self, state: str) -> None:
        """Have the plots drawn where they are of another state and it is time."""
        drawn = self._drawn
        is_due = time.monotonic() - drawn.at >= max(LEAST_PLOTS_S, REST * drawn.seconds) or not drawn.of
        is_busy = self._drawing is not None and self._drawing.is_alive()
        if drawn.of != state and is_due and not is_busy:
            self._drawing = threading.Thread(target=self._draw_now, args=(state,), daemon=True)
            self._drawing.start()

    def _draw_now(self, state: str) -> None:
        with contextlib.suppress(OSError, AttributeError):  # of this thread alone, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        began = time.monotonic()
        try:
            plots, skipped = figures_of(SweepResults(self._sweep))
        except Exception as error:  # a file half gone, say: the page stays, and the next state is tried
            plots, skipped = [], [f"the plots could not be drawn: {error}"]
        now = time.monotonic()
        self._drawn = DrawnPlots(plots, skipped, state, now, now - began)


def _changed(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _state(progress: Progress) -> str:
    return "Not running" if progress.state == "unfinished" else progress.state.capitalize()


def _ended(progress: Progress) -> int:
    waiting = progress.counts.get(State.PENDING, 0) + progress.counts.get(State.RUNNING, 0)
    return sum(progress.counts.values()) - waiting


def _counts(progress: Progress) -> str:
    text = f"{_ended(progress)} of {plural(sum(progress.counts.values()), 'trial')} ended"
    if progress.driver and progress.trials_per_hour:
        text += f"; {rounded(progress.trials_per_hour)} per hour"
    if progress.left_s is not None:
        text += f", about {duration(progress.left_s)} left"
    return text


def _left_out(seen: SweepSummary) -> str:
    running, failures = len(seen.running) - MOST_CURVES, len(seen.progress.failures) - MOST_FAILURES
    parts = [f"{plural(running, 'more trial')} running"] if running > 0 else []
    parts += [f"{plural(failures, 'earlier failure')} in the table of trials"] if failures > 0 else []
    return "; ".join(parts)


def _curve(one: RunningTrial, seen: SweepSummary) -> RunningCurve:
    name = seen.labels.texts.get(one.metric, one.metric)
    step = f"step {one.step}" if one.step is not None else "no report yet"
    last = f", {name} {rounded(one.curve[-1])}" if one.curve else ""
    return RunningCurve(one.name, name, step + last, _path(one.curve))


def _path(values: Sequence[float]) -> str:
    """The path of a curve in a drawing of 100 by 40, its values from left to right; "" for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    heights = [38 - 36 * (value - low) / (high - low) if high > low else 20.0 for value in values]
    return "M" + "L".join(f"{100 * at / (len(values) - 1):.1f} {y:.1f}" for at, y in enumerate(heights))
