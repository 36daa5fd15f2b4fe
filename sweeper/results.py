"""The ledger as data frames: one row a trial, a configuration, or a point of a curve. Only the ledger is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
from scipy import stats

from sweeper import ledger
from sweeper.errors import Problem, UsageError
from sweeper.ledger import History, SweepDir
from sweeper.trial import Record, State

CONFIDENCE = 0.95
BEFORE = ["sweep", "trial", "config", "seed", "state", "reason"]
AFTER = ["steps", "started_at", "wall_s", "device", "code", "commit"]


def history(sweep: SweepDir, *, curves: bool = False) -> History:
    """The history of a sweep that must exist. Raises UsageError naming the sweeps there are."""
    if not sweep.ledger.exists():
        names = ", ".join(other.name for other in ledger.sweeps(sweep.results)) or "none yet"
        hint = "`sweeper run FILE` makes one; --results names another folder"
        raise UsageError(Problem("no such sweep", str(sweep.results), "", sweep.name, names, hint))
    return ledger.read(sweep, curves=curves)


def trials(sweep: SweepDir, known: History) -> pd.DataFrame:
    """One row a trial, in the order of the plan: identity, every parameter, every final metric, provenance."""
    records = known.planned()
    rows = [_trial_row(sweep.name, record) for record in records]
    frame = pd.DataFrame(rows, columns=[*BEFORE, *_parameter_columns(records), *metric_names(records), *AFTER])
    return frame.astype({"steps": "Int64"})  # a pending trial has none, and must not turn the others into 2000.0


def configs(sweep: SweepDir, known: History) -> pd.DataFrame:
    """One row a configuration: its parameters, and of each metric over its seeds mean, std, 95 % interval and n.

    Completed trials count; the t interval needs two of them, and std is that of a sample.
    """
    records = known.planned()
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.trial.config, []).append(record)
    metrics = metric_names(records)
    rows = [
        {"sweep": sweep.name, "config": key, **_parameters(group[0]), **_group_row(group, metrics)}
        for key, group in groups.items()
    ]
    columns = ["sweep", "config", *_parameter_columns(records), "seeds"]
    columns += [f"{name}.{part}" for name in metrics for part in ("mean", "std", "ci_low", "ci_high", "n")]
    return pd.DataFrame(rows, columns=columns)


def curves(sweep: SweepDir, known: History) -> pd.DataFrame:
    """One row a trial, step and metric, from a history that was read with curves."""
    rows = [
        (sweep.name, record.trial.key, record.trial.config, record.trial.seed, report.step, name, value)
        for record in known.planned()
        for report in record.reports
        for name, value in sorted(report.metrics.items())
    ]
    return pd.DataFrame(rows, columns=["sweep", "trial", "config", "seed", "step", "metric", "value"])


def parameter_names(records: Sequence[Record]) -> list[str]:
    """The parameters of any of the trials: what varies first, then the rest by name."""
    varied = dict.fromkeys(name for record in records for name in record.trial.varied)
    rest = {name for record in records for name in record.trial.base} - set(varied)
    return [*varied, *sorted(rest)]


def metric_names(records: Sequence[Record]) -> list[str]:
    """The final metrics of any of the trials, in the order in which they were first reported."""
    return list(dict.fromkeys(name for record in records if record.ended for name in record.ended.metrics))


def parameter_column(name: str) -> str:
    """The column of a parameter: its name, or `params.NAME` where that is the name of a column of ours."""
    return f"params.{name}" if name in {*BEFORE, *AFTER, "seeds"} else name


def _parameter_columns(records: Sequence[Record]) -> list[str]:
    return [parameter_column(name) for name in parameter_names(records)]


def _parameters(record: Record) -> dict[str, object]:
    return {parameter_column(name): value for name, value in record.trial.params.items()}


def _trial_row(sweep: str, record: Record) -> dict[str, object]:
    trial, ended = record.trial, record.ended
    row: dict[str, object] = {"sweep": sweep, "trial": trial.key, "config": trial.config, "seed": trial.seed}
    row |= {"state": str(record.state), "reason": "", "code": trial.code, **_parameters(record)}
    if ended is not None:
        row |= {"reason": ended.reason, "steps": ended.steps, "started_at": _utc(ended.started_at)}
        row |= {"wall_s": round(ended.wall_s, 3), "device": ended.device, "commit": ended.commit, **ended.metrics}
    elif record.started is not None:
        row |= {"started_at": _utc(record.started.at), "device": record.started.device}
    return row


def _group_row(group: list[Record], metrics: list[str]) -> dict[str, object]:
    ended = [r.ended for r in group if r.ended is not None and r.state is State.COMPLETED]
    row: dict[str, object] = {"seeds": len(group)}
    for name in metrics:
        values = pd.Series([e.metrics[name] for e in ended if name in e.metrics], dtype=float)
        count, mean, std = len(values), values.mean(), values.std()
        half = stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * std / count**0.5 if count > 1 else float("nan")
        parts = {"mean": mean, "std": std, "ci_low": mean - half, "ci_high": mean + half, "n": count}
        row |= {f"{name}.{part}": value for part, value in parts.items()}
    return row


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
