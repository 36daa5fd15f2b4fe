"""What the mirror needs of a sweep: where MLflow is, and the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.ledger.paths import SweepDir
from sweeper.redaction import without_login
from sweeper.spec.sweep import Sweep, Tracking
from sweeper.tracking import mirror
from sweeper.tracking.experiment import Data, Experiment


def tracking_uri(sweep: Sweep, results: Path) -> str:
    """Where the sweep is mirrored."""
    return sweep.tracking.uri or mirror.store_uri(results)


def shown_uri(sweep: Sweep, results: Path) -> str:
    """Where the sweep is mirrored, without a log-in: as the ledger and the screen may hold it."""
    return without_login(tracking_uri(sweep, results))


def at_server(sweep: Sweep, uri: str | None) -> Sweep:
    """The sweep, mirrored at this server; None is the store of the results folder."""
    return replace(sweep, tracking=Tracking(uri))


def mirror_input(sweep: Sweep, sweep_dir: SweepDir, run: Mapping[str, Any]) -> tuple[str, str, Experiment]:
    """What `Mirror` and `sync` want to know: store, artifacts, experiment. `run` is the ledger's entry of the last run.

    Nothing is imported or executed: the metrics that the trainer declares were written down by the run.
    """
    commit = str(run.get("commit") or "")
    experiment = Experiment(
        name=sweep.name,
        description=sweep.description,
        command=str(run.get("command") or f"sweeper run {sweep.source}"),
        tags={"mlflow.source.git.commit": commit} if commit else {},
        goals={goal.name: goal.maximize for goal in sweep.goals},
        declared=tuple(str(name) for name in run.get("metrics") or ()),
        data=[
            Data(Path(name).name, str(digest)[:36], "local", name) for name, digest in (run.get("data") or {}).items()
        ],
        spec=sweep_dir.spec,
    )
    return tracking_uri(sweep, sweep_dir.results), mirror.artifact_root(sweep_dir.results), experiment
