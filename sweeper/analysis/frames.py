"""The ledger as data frames: one row per trial, configuration or point of a curve. Only the ledger is read."""

from __future__ import annotations

import gc
import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
import pandas as pd

from sweeper.analysis.columns import metric_columns, parameter_column, parameter_names
from sweeper.errors import Problem, UsageError
from sweeper.ledger.history import History, read_history
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.trainer.metric_ranges import UNBOUNDED, bundled_ends
from sweeper.trial import Ended, Params, Record, State, Value, by_config


def history(sweep: SweepDir, *, curves: bool = False) -> History:
    """The history of a sweep that must exist. Raises UsageError naming the sweeps there are."""
    must_exist(sweep)
    with _no_collections():
        return read_history(sweep, curves=curves)


def must_exist(sweep: SweepDir) -> None:
    """Raises UsageError, naming the sweeps there are, for one that has no ledger."""
    if not sweep.ledger.exists():
        names = ", ".join(other.name for other in list_sweeps(sweep.results)) or "none yet"
        hint = "`sweeper run FILE` makes one; --results names another folder"
        raise UsageError(Problem("no such sweep", str(sweep.results), "", sweep.name, names, hint))


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without Python's cyclic garbage collector: it would scan a growing history again and again and free nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def trials(sweep: SweepDir, known: History) -> pd.DataFrame:
    """One row per trial, in the order of the plan: identity, every parameter, every final metric, provenance."""
    records = known.planned()
    parameters = parameter_names(records)
    ended = [record.ended for record in records]
    begun = [e.started_at if e else r.started.at if r.started else None for e, r in zip(ended, records, strict=True)]
    device = [e.device if e else r.started.device if r.started else None for e, r in zip(ended, records, strict=True)]
    columns: dict[str, object] = {
        "sweep": [sweep.name] * len(records),
        "trial": [record.trial.key for record in records],
        "config": [record.trial.config for record in records],
        "seed": [record.trial.seed for record in records],
        "state": [str(record.state) for record in records],
        "reason": [end.reason if end else "" for end in ended],
        **_parameters([record.trial.params for record in records], parameters),
        **_metrics(ended, metric_columns(records, parameters)),
        # a pending trial has none, and must not turn the others into 2000.0
        "steps": pd.array([end.steps if end else None for end in ended], dtype="Int64"),
        "started_at": [_utc(at) for at in begun],
        "wall_s": np.array([round(end.wall_s, 3) if end else math.nan for end in ended], dtype=float),
        "device": device,
        "code": [record.trial.code for record in records],
        "commit": [end.commit if end else None for end in ended],
    }
    return pd.DataFrame(columns)


def configs(
    sweep: SweepDir,
    known: History,
    *,
    interval: str = "t",
    only: Collection[str] = (),
    places: Mapping[str, int] = MappingProxyType({}),
) -> pd.DataFrame:
    """One row per configuration: its parameters, and of each metric over its seeds mean, std, 95 % interval, n and iqm.

    Completed trials count; how many were pruned, diverged or failed are columns of their own. An interval needs two
    values, and std is that of a sample. `interval` is t, cut at the ends of the range that the bundled trainer declares
    of the metric, or bootstrap (BCa; slower, so `only` may name the metrics). `iqm` is the interquartile mean. `places`
    are those of `ranking.places`; where there are any, they are the column `rank`.
    """
    records = known.planned()
    groups = by_config(records)
    parameters = parameter_names(records)
    shown = {name: at for name, at in metric_columns(records, parameters).items() if not only or at in only}
    ends = [record.ended if record.state is State.COMPLETED else None for group in groups.values() for record in group]
    ranked = places and "rank" not in parameters
    codes = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])
    first = [group[0].trial.params for group in groups.values()]
    columns: dict[str, object] = {
        "sweep": [sweep.name] * len(groups),
        "config": [*groups],
        **_parameters(first, parameters),
        "seeds": [len(group) for group in groups.values()],
        **({"rank": pd.array([places.get(key) for key in groups], dtype="Int64")} if ranked else {}),
        **_lost(list(groups.values()), parameters),
        **summaries(pd.DataFrame(_metrics(ends, shown), index=codes), interval, ranges(records, shown)),
    }
    return pd.DataFrame(columns)


def _lost(groups: Sequence[Sequence[Record]], parameters: Sequence[str]) -> dict[str, list[int]]:
    """How many seeds of each configuration have another end than completion; without those that name a parameter.

    Stopping by hand is rare: there is a column for it only where it was done.
    """
    counts = [Counter(record.state for record in group) for group in groups]
    states = [State.PRUNED, State.DIVERGED, State.FAILED]
    states += [State.STOPPED] if any(one[State.STOPPED] for one in counts) else []
    return {str(state): [one[state] for one in counts] for state in states if state not in parameters}


def ranges(records: Sequence[Record], columns: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """The ranges that the bundled trainer declares of its metrics, by their `columns`."""
    known = bundled_ends(records[0].trial.trainer) if records else {}
    return {columns[name]: ends for name, ends in known.items() if name in columns}


def summaries(
    values: pd.DataFrame, interval: str = "t", within: Mapping[str, tuple[float, float]] = MappingProxyType({})
) -> dict[str, np.ndarray]:
    """Of each column `NAME.mean`, `.std`, `.ci_low`, `.ci_high`, `.n`, `.iqm` over the rows with the same index label.

    NaN and infinite values do not count. The labels are 0, 1, 2 ... in the order of the groups. No interval reaches
    beyond its column's range in `within`.
    """
    from sweeper.analysis.statistics import cut  # scipy takes a tenth of a second to import

    values = values.where(np.isfinite(values))
    grouped = values.groupby(level=0)
    means, stds, counts = grouped.mean(), grouped.std(), grouped.count()
    ranks = grouped.rank(method="first").to_numpy()
    sizes = counts.reindex(values.index).to_numpy()
    quarter = sizes // 4
    middle = values.where((ranks > quarter) & (ranks <= sizes - quarter)).groupby(level=0).mean()
    found: dict[str, np.ndarray] = {}
    for name in values.columns:
        mean, std, count = (frame[name].to_numpy() for frame in (means, stds, counts))
        ends = _t_ends(mean, std, count) if interval == "t" else _bootstrap_ends(values[name], len(mean))
        low, high = cut(ends, mean, within.get(name, UNBOUNDED))
        parts = {"mean": mean, "std": std, "ci_low": low, "ci_high": high, "n": count, "iqm": middle[name].to_numpy()}
        found |= {f"{name}.{part}": column for part, column in parts.items()}
    return found


def digest(sweep: SweepDir, known: History) -> str:
    """The sweep's hash: 16 hex digits over its file as run and the keys of its trials (settings, seeds, code)."""
    text = sweep.spec.read_bytes() if sweep.spec.is_file() else b""
    return hashlib.sha256(b"\x1f".join([b"sweep-1", text, *(key.encode() for key in known.order)])).hexdigest()[:16]


def curves(sweep: SweepDir, known: History) -> pd.DataFrame:
    """One row per trial, step and metric, from a history that was read with curves."""
    records = known.planned()
    columns = metric_columns(records, curves=True)
    rows = [
        (sweep.name, record.trial.key, record.trial.config, record.trial.seed, report.step, columns[name], value)
        for record in records
        for report in record.reports
        for name, value in sorted(report.metrics.items())
    ]
    return pd.DataFrame(rows, columns=["sweep", "trial", "config", "seed", "step", "metric", "value"])


def cell_value(cell: object) -> Value:
    """A cell of a data frame as a value of Python; None for NaN and NA."""
    value = cell.item() if hasattr(cell, "item") else cell
    return None if value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value  # type: ignore[return-value]


def _parameters(params: Sequence[Params], names: Sequence[str]) -> dict[str, Sequence[object]]:
    """The columns of parameters; NaN where a trial has none of that name."""
    return {parameter_column(name): [one.get(name, math.nan) for one in params] for name in names}


def _metrics(ended: Sequence[Ended | None], columns: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The columns of metrics; NaN where a trial has none of that name."""
    found = [end.metrics if end else {} for end in ended]
    return {at: np.array([one.get(name, math.nan) for one in found], dtype=float) for name, at in columns.items()}


def _t_ends(mean: np.ndarray, std: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sweeper.analysis.statistics import half_width

    many = count > 1
    half = np.full(len(mean), math.nan)
    # divided last: tables written before have these very bits
    half[many] = half_width(count[many] - 1, std[many]) / np.sqrt(count[many])
    return mean - half, mean + half


def _bootstrap_ends(values: pd.Series, groups: int) -> tuple[np.ndarray, np.ndarray]:
    from sweeper.analysis.statistics import bootstrap

    known = values.dropna().groupby(level=0)
    ends = {label: bootstrap(of.tolist()) for label, of in known}
    low, high = np.array([ends.get(label, (math.nan, math.nan)) for label in range(groups)]).reshape(-1, 2).T
    return low, high


def _utc(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds") if seconds is not None else None
