"""What `sweeper status` shows of one sweep at a glance: progress, the best so far, what runs now, a map of the goal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from sweeper.analysis import frames
from sweeper.analysis.progress import Progress, progress
from sweeper.errors import SweeperError
from sweeper.ledger.paths import SweepDir
from sweeper.search import ranking
from sweeper.spec.load import load_spec
from sweeper.spec.sweep import Sweep
from sweeper.trial import Record, State, Value, show

CURVES_LIMIT = 32_000_000  # bytes of curves.jsonl; reading more would take longer than a redraw lasts
LEVELS = 12  # of a parameter on the map


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
class Glance:
    """All of it. `map` is None where the sweep has not two parameters of a few values, or nothing has completed."""

    progress: Progress
    best: BestConfiguration | None
    running: Sequence[RunningTrial]
    map: Map | None

    def as_json(self) -> dict[str, object]:
        best = asdict(self.best) if self.best else None
        return {**self.progress.as_json(), "best": best, "running": [asdict(one) for one in self.running]}


def glance(folder: SweepDir, sweep: Sweep | None, now: float) -> Glance:
    """Read the ledger once. Without a sweep file (None) there is no goal, and so no best and no map."""
    small = not folder.curves.exists() or folder.curves.stat().st_size <= CURVES_LIMIT
    history = frames.history(folder, curves=small)
    records = history.planned()
    metric = sweep.goals[0].name if sweep and sweep.goals else ""
    running = [_running(record, metric) for record in records if record.state is State.RUNNING]
    best = _best(sweep, records) if sweep and sweep.goals else None
    return Glance(progress(folder, history, now), best, running, goal_map(records, metric) if metric else None)


def sweep_of(folder: SweepDir) -> Sweep | None:
    """The sweep file as last run; None where it cannot be read."""
    try:
        return load_spec(folder.spec)
    except SweeperError:
        return None


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
        if (
            record.state is State.COMPLETED
            and record.ended
            and math.isfinite(record.ended.metrics.get(metric, math.nan))
        ):
            place = (show(record.trial.params.get(x)), show(record.trial.params.get(y)))
            values.setdefault(place, []).append(record.ended.metrics[metric])
    cells = {place: fmean(of) for place, of in values.items()}
    return Map(metric, x, y, levels[x], levels[y], cells, varied[2:]) if cells else None


def _levels(values: Sequence[Value]) -> list[str]:
    """The distinct values in words: numbers in their order, then the rest as they come."""
    distinct = {show(value): value for value in values}
    return sorted(distinct, key=lambda word: _rank(distinct[word]))


def _rank(value: Value) -> tuple[bool, float]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (not number, float(value) if isinstance(value, int | float) and number else 0.0)


def _best(sweep: Sweep, records: Sequence[Record]) -> BestConfiguration | None:
    first = next(iter(ranking.best(sweep, records)), None)
    if first is None or first.values is None:
        return None
    seeds = [record for record in records if record.trial.config == first.config]
    name = seeds[0].trial.name.rpartition("seed=")[0].strip()
    n = sum(record.state is State.COMPLETED for record in seeds)
    return BestConfiguration(
        first.config, name, dict(zip((goal.name for goal in sweep.goals), first.values, strict=True)), n
    )


def _running(record: Record, metric: str) -> RunningTrial:
    curve = [
        float(f"{r.metrics[metric]:.6g}") for r in record.reports if math.isfinite(r.metrics.get(metric, math.nan))
    ]
    step = record.reports[-1].step if record.reports else None
    return RunningTrial(record.trial.key, record.trial.name, step, metric, curve)
