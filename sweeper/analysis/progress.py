"""The sweeps of a results folder, and how far one of them is: what `list` and `status` show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from sweeper.analysis import frames
from sweeper.analysis.workload import workload_of
from sweeper.errors import Exit, LedgerError
from sweeper.ledger import lock
from sweeper.ledger.history import History, read_history
from sweeper.ledger.live_steps import LiveSteps, read_live_steps
from sweeper.ledger.paths import SweepDir, linked_sweeps, list_sweeps
from sweeper.search import ranking
from sweeper.spec.sweep import Sweep
from sweeper.trial import Record, State, Value
from sweeper.value_text import NO_LABELS, Labels, exact

NO_STEPS = LiveSteps()
CURVES_LIMIT = 32_000_000  # bytes of curves.jsonl; reading more would take longer than a redraw lasts
LEVELS = 12  # of a parameter on the map


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One sweep. `state` is running, finished, unfinished, imported or unreadable.

    `last_at` are the epoch seconds of its last event, `problem` is why a sweep is unreadable.
    """

    name: str
    state: str
    done: int
    failed: int
    left: int
    last_at: float
    damaged_lines: int
    problem: str = ""
    stopped: int = 0  # by hand: neither done, nor failed, nor left

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def overview(results: Path) -> list[SweepRow]:
    """A row for every sweep of the folder, by name; none where there is no folder."""
    linked = [_unread(sweep, problem) for sweep, problem in linked_sweeps(results)]
    return sorted([*map(_row_or_problem, list_sweeps(results)), *linked], key=lambda row: row.name)


def _row_or_problem(sweep: SweepDir) -> SweepRow:
    try:
        return _row(sweep)
    except LedgerError as error:
        return _unread(sweep, error.problems[0].message)


def _unread(sweep: SweepDir, problem: str) -> SweepRow:
    return SweepRow(sweep.name, "unreadable", 0, 0, 0, sweep.folder.lstat().st_mtime, 0, problem)


def _state(history: History, left: int, driver: str) -> str:
    """The state of a sweep of which so many trials have not ended; a search that was interrupted has none such."""
    if history.is_imported:
        return "imported"
    exit_code = history.runs[-1].get("stopped", {}).get("exit") if history.runs else None
    is_left = left or exit_code in (Exit.BUDGET, Exit.INTERRUPTED, Exit.TERMINATED)
    return "running" if driver else "unfinished" if is_left else "finished"


def _row(sweep: SweepDir) -> SweepRow:
    history = read_history(sweep)
    counts = Counter(record.state for record in history.planned())
    done = sum(counts[state] for state in State if state.is_result)
    left = counts[State.PENDING] + counts[State.RUNNING]
    state = _state(history, left, lock.holder(sweep.lock))
    stopped_at = history.runs[-1].get("stopped", {}).get("at") if history.runs else None
    written = [_written_at(path) for path in (sweep.ledger, sweep.curves, sweep.live_steps)]
    last_at = float(stopped_at or max(written))  # a copy of a folder, or a clone, is written later
    failed, stopped = counts[State.FAILED], counts[State.STOPPED]
    return SweepRow(sweep.name, state, done, failed, left, last_at, history.damaged, stopped=stopped)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # one of them goes with its run
        return 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that failed or diverged, and why."""

    trial: str
    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep is. `state` is as in a row; `driver` is the process that runs it ("" for none).

    `trials_per_hour` and `steps_per_s` are the pace of this run so far, `left_s` the seconds left at the pace of steps,
    or of trials where their steps are not known; None when unknown.
    """

    name: str
    state: str
    driver: str
    counts: dict[str, int]
    trials_per_hour: float | None
    steps_per_s: float | None
    left_s: float | None
    failures: list[Failure]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def progress(sweep: SweepDir, history: History, now: float, live: LiveSteps = NO_STEPS) -> Progress:
    """How far the sweep is, from its ledger and the steps that running trials have made since their reports."""
    records = history.planned()
    counts = Counter(str(record.state) for record in records)
    began = float(history.runs[-1]["at"]) if history.runs else now
    trained = [record for record in records if record.run == len(history.runs)]
    done = [record for record in trained if record.ended and not record.ended.retry and not record.ended.origin]
    ended = [record.ended for record in done if record.ended]
    last = max((end.at for end in ended), default=now)
    until = max(now, last) if (driver := lock.holder(sweep.lock)) else last  # this clock may be behind the driver's
    pace = len(ended) / (until - began) if ended and until > began else None
    left = counts[State.PENDING] + counts[State.RUNNING]
    bad = [r for r in records if r.state in (State.FAILED, State.DIVERGED) and r.ended]
    failures = [Failure(r.trial.key, r.trial.name, str(r.state), r.ended.reason) for r in bad if r.ended]
    steps_per_s = left_s = None
    if driver:
        others = [r for r in records if r.state in (State.PENDING, State.RUNNING)]
        work = workload_of([*done, *others], began, live)
        until = max(now, work.last_report)
        steps_per_s, left_s = work.pace(until), work.left_s(until) if left else None
    state, hourly = _state(history, left, driver), pace * 3600 if pace else None
    return Progress(sweep.name, state, driver, dict(counts), hourly, steps_per_s, left_s, failures)


@dataclass(frozen=True, slots=True)
class BestConfiguration:
    """The best configuration so far (one of the front, for several goals): its mean of each goal over `n` seeds."""

    config: str
    name: str
    values: Mapping[str, float]
    n: int


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that runs now: its last step, and the curve of the first goal so far ([] where none is known)."""

    trial: str
    name: str
    step: int | None
    metric: str
    curve: Sequence[float]


@dataclass(frozen=True, slots=True)
class Map:
    """The mean of a metric over two parameters: `cells` maps (x, y) to it; `others` are averaged over."""

    metric: str
    x: str
    y: str
    xs: Sequence[str]
    ys: Sequence[str]
    cells: Mapping[tuple[str, str], float]
    others: Sequence[str]


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """All of it. `map` is None where the sweep has not two parameters of a few values, or nothing has completed.

    `states` are those of the trials, by their keys.
    """

    progress: Progress
    best: BestConfiguration | None
    running: Sequence[RunningTrial]
    map: Map | None
    labels: Labels = NO_LABELS
    states: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        best = asdict(self.best) if self.best else None
        return {**self.progress.as_json(), "best": best, "running": [asdict(one) for one in self.running]}

    def changes_since(self, before: SweepSummary | None) -> dict[str, object] | None:
        """What a line of `status --follow --json` has: this without the curves, and the trials whose state changed.

        None where no state and no driver changed.
        """
        old = before.states if before else self.states
        changed = [{"trial": key, "state": state} for key, state in self.states.items() if old.get(key) != state]
        if before and not changed and before.progress.driver == self.progress.driver:
            return None
        return {name: value for name, value in self.as_json().items() if name != "running"} | {"changed": changed}


def summarize(folder: SweepDir, sweep: Sweep | None, now: float, history: History | None = None) -> SweepSummary:
    """Of a `history` with curves, else the ledger is read once. Without a sweep file there is no best and no map.

    Curves that would take longer to read than a redraw lasts are left out.
    """
    if history is None:
        small = not folder.curves.exists() or folder.curves.stat().st_size <= CURVES_LIMIT
        history = frames.history(folder, curves=small)
    records = history.planned()
    metric = sweep.goals[0].name if sweep and sweep.goals else ""
    live = read_live_steps(folder)  # of trials that run: without a driver none does
    running = [_running(record, metric, live) for record in records if record.state is State.RUNNING]
    best = _best(sweep, records) if sweep and sweep.goals else None
    states = {record.trial.key: str(record.state) for record in records}
    found = goal_map(records, metric) if metric else None
    return SweepSummary(progress(folder, history, now, live), best, running, found, history.labels, states)


def goal_map(records: Sequence[Record], metric: str) -> Map | None:
    """The mean of a metric over the first two parameters that vary, completed trials only."""
    names = dict.fromkeys(name for record in records for name in record.trial.varied)
    levels = {name: _levels([record.trial.params.get(name) for record in records]) for name in names}
    varied = [name for name in names if len(levels[name]) > 1]
    if len(varied) < 2 or any(len(levels[name]) > LEVELS for name in varied[:2]):
        return None
    x, y = varied[:2]
    values: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if (value := record.value(metric)) is not None:
            place = (exact(record.trial.params.get(x)), exact(record.trial.params.get(y)))
            values.setdefault(place, []).append(value)
    cells = {place: fmean(of) for place, of in values.items()}
    return Map(metric, x, y, levels[x], levels[y], cells, varied[2:]) if cells else None


def _levels(values: Sequence[Value]) -> list[str]:
    """The distinct values as text: numbers in their order, then the rest as they come."""
    distinct = {exact(value): value for value in values}
    return sorted(distinct, key=lambda word: _rank(distinct[word]))


def _rank(value: Value) -> tuple[bool, float]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (not number, float(value) if isinstance(value, int | float) and number else 0.0)


def _best(sweep: Sweep, records: Sequence[Record]) -> BestConfiguration | None:
    first = next(iter(ranking.best(sweep, records)), None)
    if first is None or first.values is None:
        return None
    seeds = [record for record in records if record.trial.config == first.config]
    name = seeds[0].trial.settings
    n = sum(record.state is State.COMPLETED for record in seeds)
    return BestConfiguration(
        first.config, name, dict(zip((goal.name for goal in sweep.goals), first.values, strict=True)), n
    )


def _running(record: Record, metric: str, live: LiveSteps) -> RunningTrial:
    curve = [
        float(f"{r.metrics[metric]:.6g}") for r in record.reports if math.isfinite(r.metrics.get(metric, math.nan))
    ]
    known = [report.step for report in record.reports[-1:]] + [live.steps.get(record.trial.key, 0)]
    step = max(known) or None
    return RunningTrial(record.trial.key, record.trial.name, step, metric, curve)
