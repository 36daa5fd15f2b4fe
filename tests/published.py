"""The published ledgers as tables, read without sweeper."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pandas as pd

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
NAMES = sorted(folder.name for folder in PUBLISHED.iterdir())


@cache
def trials(name: str) -> pd.DataFrame:
    """One row per completed trial: settings, metrics, `config` and `seed`."""
    planned, ended = {}, {}
    for line in (PUBLISHED / name / "ledger.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["e"] == "trial":
            planned[event["trial"]] = {"config": event["config"], "seed": event["seed"]} | event["params"]
        elif event["e"] == "end" and event["state"] == "completed":
            ended[event["trial"]] = event["metrics"]
    return pd.DataFrame([{"trial": key} | planned[key] | metrics for key, metrics in ended.items()])
