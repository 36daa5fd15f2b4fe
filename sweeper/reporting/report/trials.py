"""What the report knows of each trial: settings, metrics, curves, reason, the end of its log, how to run it again."""

from __future__ import annotations

import math
from typing import Any

from sweeper.analysis.columns import metric_columns
from sweeper.analysis.rounding import rounded
from sweeper.analysis.sweep_results import SweepResults
from sweeper.errors import LedgerError
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.commands import alone
from sweeper.reporting.report.tables import shown_trials
from sweeper.trial import Record, State, reported
from sweeper.value_text import show

POINTS = 120  # of a curve
LOG_BYTES = {True: 600, False: 3000}  # of the end of a log: of a completed trial, of another


def trial_data(results: SweepResults) -> dict[str, Any]:
    """A document that the page's script reads: settings shared by all trials once, the rest trial by trial."""
    records, shown = results.records, shown_trials(results)
    columns = metric_columns(records)
    metrics = list(columns)
    shared = shared_settings(records)
    return {
        "metrics": list(columns.values()),
        "meanings": [results.descriptions.get(column, "") for column in columns.values()],
        "shared": {name: show(value) for name, value in shared.items()},
        "trials": {
            record.trial.key: _trial(results, record, metrics, set(shared))
            for record in records
            if record.trial.key in shown
        },
    }


def shared_settings(records: list[Record]) -> dict[str, Any]:
    """The settings that have one value in all trials."""
    if not records:
        return {}
    settings = [record.trial.params for record in records]
    first = settings[0]
    return {name: value for name, value in first.items() if all(name in s and s[name] == value for s in settings[1:])}


def _trial(results: SweepResults, record: Record, metrics: list[str], shared: set[str]) -> dict[str, Any]:

    trial, ended = record.trial, record.ended
    own = {name: show(value) for name, value in trial.params.items() if name not in shared}
    facts = {"attempt": str(record.attempt)}
    if ended:
        facts |= {
            "steps": str(ended.steps),
            "seconds": rounded(ended.wall_s),
            "device": ended.device,
            "host": ended.host,
        }
        facts |= {"commit": ended.commit, "taken over from": ended.origin}
    return {
        "name": trial.name,
        "state": str(record.state),
        "reason": ended.reason if ended else "",
        "settings": {**own, "seed": str(trial.seed)},
        "metrics": [_plain(ended.metrics[name]) if ended and name in ended.metrics else None for name in metrics],
        "curves": {name: _curve(record, name) for name in results.headlines},
        "facts": {name: text for name, text in (facts | {"code": trial.code}).items() if text},
        "log": log_end(results.folder, trial.key, LOG_BYTES[record.state is State.COMPLETED]),
        "again": alone(results.folder.spec, trial),
    }


def _curve(record: Record, metric: str) -> list[list[float | str]]:
    """At most 120 points [step, value], the last among them."""
    points = [[r.step, _plain(v)] for r in record.reports if (v := reported(r.metrics, metric)) is not None]
    stride = math.ceil(len(points) / POINTS) or 1
    return points[::-1][::stride][::-1]


def _plain(value: float) -> float | str:
    """Seven digits are more than a page shows; JSON has no word for nan and inf."""
    return float(f"{value:.7g}") if math.isfinite(value) else str(value)


def log_end(sweep: SweepDir, key: str, size: int) -> str:
    """The end of a trial's log; "" where there is none, or where it lies outside of the results folder."""
    try:
        path = sweep.log(key)
    except LedgerError:
        return ""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - size))
        text = file.read().decode(errors="replace")
    return text if end <= size else "... " + text.partition("\n")[2]
