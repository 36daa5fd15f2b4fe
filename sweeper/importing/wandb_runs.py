"""The runs of W&B: its table as CSV, those of its API, or its client's folders, with config, summary and history."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, UsageError, excerpt
from sweeper.importing.source import ImportChoice, ImportSource, SourceTrial
from sweeper.importing.table import TextTable, file_text, read_table, table_source
from sweeper.importing.values import STATES, measured, seconds
from sweeper.importing.wandb_log import wandb_runs
from sweeper.trial import State, Value

_SUMMARIES = ("summary", "summary_metrics", "summaryMetrics")
_FORM = 'a list of runs, each {"config": {...}, "summary": {...}}'


def wandb_source(path: Path, choice: ImportChoice) -> ImportSource:
    """The runs of a CSV or JSON file that W&B, or a script with its API, exported, or of its client's folders.

    Raises UsageError.
    """
    if path.is_dir() or path.suffix.lower() == ".wandb":
        return _source(path, wandb_runs(path))
    if path.suffix.lower() in (".json", ".jsonl"):
        return _source(path, list(_json_runs(path)))
    table = read_table(path)
    if {"config", "summary"} <= {*table.columns}:  # as W&B's manual writes the runs of its API into a CSV file
        return _source(path, [(f"{path}:{line}", _unpacked(table, line, row)) for line, row in table.rows])
    return table_source("wandb", table, choice)


def _json_runs(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The runs of a JSON file, or of one with its runs on lines, each with its place."""
    text = file_text(path)
    try:
        lines = text.splitlines() if path.suffix.lower() == ".jsonl" else []
        found = [json.loads(line) for line in lines if line.strip()] if lines else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(Problem(f"no JSON: {error}", str(path))) from None
    runs = found.get("runs") if isinstance(found, dict) else found
    if not isinstance(runs, list) or not runs:
        raise UsageError(Problem("no list of runs", str(path), found=excerpt(found), allowed=_FORM))
    for number, run in enumerate(runs):
        if not isinstance(run, dict):
            raise UsageError(Problem("not a run", str(path), f"[{number}]", excerpt(run), _FORM))
        yield f"{path}: [{number}]", run


def _unpacked(table: TextTable, line: int, row: Mapping[str, str]) -> dict[str, Any]:
    """The run of a row whose cells hold mappings, as pandas writes them."""
    run: dict[str, Any] = dict(row)
    for name in ("config", "summary"):
        run[name] = _mapping(row[name], f"{table.path}:{line}", name)
    return run


def _mapping(value: object, where: str, key: str) -> dict[str, Any]:
    """A mapping, or the text of one: JSON, or Python as `repr` writes it."""
    found = value
    if isinstance(value, str):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(value)
                break
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    if not isinstance(found, dict):
        raise UsageError(Problem("not a mapping", where, key, excerpt(value), _FORM))
    return found


def _source(path: Path, runs: Sequence[tuple[str, Mapping[str, Any]]]) -> ImportSource:
    trials = [_trial(where, run) for where, run in runs]
    ended = [trial for trial in trials if trial is not None]
    return ImportSource("wandb", path.name, ended, len(trials) - len(ended))


def _trial(where: str, run: Mapping[str, Any]) -> SourceTrial | None:
    config = _mapping(run.get("config", {}), where, "config")
    key = next((name for name in _SUMMARIES if run.get(name)), "summary")
    summary = _mapping(run.get(key) or {}, where, key)
    said = str(run.get("state") or "finished")
    state = STATES.get(said.lower(), State.PENDING)
    if state is State.PENDING:
        raise UsageError(Problem("not a state", where, "state", excerpt(said), ", ".join(STATES)))
    if state is None:
        return None
    curve = [point for row in run.get("history") or [] if (point := _point(row)) is not None]
    params = {name: value for name, value in _flat(_values(config)) if not _is_own(name)}
    began, runtime = (
        seconds(str(run.get("created_at") or run.get("createdAt") or "")),
        measured(summary.get("_runtime")),
    )
    return SourceTrial(
        id=str(run.get("id") or ""),
        where=where,
        params=params,
        metrics=_metrics(summary),
        state=state,
        curve=curve,
        steps=int(measured(summary.get("_step")) or (curve[-1][0] if curve else 0)),
        started_at=began,
        ended_at=began + runtime if began is not None and runtime is not None else None,
    )


def _point(row: object) -> tuple[int, dict[str, float]] | None:
    step = measured(row.get("_step")) if isinstance(row, dict) else None
    return (int(step), _metrics(row)) if step is not None and isinstance(row, dict) else None


def _metrics(found: Mapping[str, Any]) -> dict[str, float]:
    """The numbers; media, tables (mappings with a `_type`) and texts are left out, as is what W&B adds (`_step`)."""
    flat = dict(_flat(found))
    media = tuple(name.removesuffix("_type") for name in flat if name.endswith("._type"))
    numbers = {n: measured(value) for n, value in flat.items() if not _is_own(n) and not n.startswith(media)}
    return {name: number for name, number in numbers.items() if number is not None}


def _is_own(name: str) -> bool:
    return name.startswith("_") or name == "wandb_version"


def _values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as the program set it: W&B's own files wrap each value, `{"lr": {"value": 0.1}}`."""
    wrapped = {"value", "desc"}
    return {
        n: v["value"] if isinstance(v, dict) and "value" in v and v.keys() <= wrapped else v for n, v in config.items()
    }


def _flat(found: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Value]]:
    """Nested names joined by dots; an empty mapping is a value."""
    for name, value in found.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
