"""What is left of a sweep after a fault: lost and doubled trials, MLflow runs, steps trained twice, processes."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from subjects import Subject, finals

MARK = "SWEEPER_FAULT"  # an environment variable that every process of a faulty run inherits


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the fault table. What was expected is beside what was found; `leftovers` are processes.

    `differ` trials are not completed with the numbers of undisturbed ones; -1 where that was not looked at.
    """

    fault: str
    trainer: str
    injected: int
    expected: int
    found: int
    differ: int
    lost: int
    doubled: int
    mlflow_runs: int
    orphans: int
    steps_twice: int
    leftovers: int
    remark: str = ""

    @property
    def is_clean(self) -> bool:
        runs = self.mlflow_runs in (self.expected, -1)
        broken = self.lost or self.doubled or self.orphans or self.leftovers or self.differ > 0
        return runs and not (broken or self.remark)


def audit(injected: int, folder: Path, subject: Subject, remark: str = "", *, mlflow: str = "") -> Row:
    """Look at the sweep `toy` in `folder`/results; `mlflow` is its server, by default the store beside it."""
    ends, steps_twice, trials = Counter[str](), 0, {}
    reached: dict[str, int] = {}
    ledger = folder / "results" / "toy"
    entries = _entries(ledger / "ledger.jsonl")
    for entry in entries:
        if entry["e"] == "trial":
            trials[entry["trial"]] = entry["params"]
        elif entry["e"] == "end" and entry["state"] not in ("failed", "stopped"):
            ends[entry["trial"]] += 1
    for entry in _entries(ledger / "curves.jsonl"):
        steps_twice += entry["step"] <= reached.get(entry["trial"], 0)
        reached[entry["trial"]] = max(entry["step"], reached.get(entry["trial"], 0))
    wanted, got = subject.wanted(trials), finals(entries)
    differ = sum(wanted.get(key) != text for key, text in got.items()) if wanted else -1
    runs, orphans = _mlflow(mlflow or f"sqlite:///{folder / 'results' / 'mlflow.db'}", set(trials))
    doubled = sum(count - 1 for count in ends.values())
    left = leftovers(folder)
    counts = (len(ends), differ, subject.trials - len(ends), doubled, runs, orphans, steps_twice, len(left))
    return Row("", subject.trainer, injected, subject.trials, *counts, remark or ", ".join(left)[:80])


def leftovers(folder: Path, wait_s: float = 5.0) -> list[str]:
    """The processes that a run in this folder left behind and that are still there after a moment."""
    until = time.monotonic() + wait_s
    while (alive := _alive(str(folder))) and time.monotonic() < until:
        time.sleep(0.2)
    return alive


def _alive(mark: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(f"{process.pid} {process.name()}")
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    entries = []
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        with contextlib.suppress(ValueError):
            entries.append(json.loads(line))
    return entries


def _mlflow(uri: str, trials: set[str]) -> tuple[int, int]:
    """Trial runs that are closed, and runs that belong to no trial, are open, or stand for a trial once more."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("toy")
    if experiment is None:
        return 0, 0
    runs = client.search_runs([experiment.experiment_id], "tags.`sweeper.trial` LIKE '%'", max_results=5000)
    closed = {run.data.tags["sweeper.trial"] for run in runs if run.info.status != "RUNNING"} & trials
    return len(closed), len(runs) - len(closed)
