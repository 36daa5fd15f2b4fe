"""The table of a large sweep: `sweeper export`, from the ledger, beside `mlflow.search_runs` over the same trials.

`TMPDIR=/dev/shm OMP_NUM_THREADS=1 python tests/benchmarks/export.py [TRIALS]` (10 000 by default: filling MLflow takes
minutes, on a disk many). `sweeper export` is timed as a person runs it, as a process with its imports; the two calls
that give a data frame, `sweeper.load_results(...).trials` and `mlflow.search_runs`, from the call to the frame, also in
seconds of the processor: those hardly change on a busy machine.
"""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import sweeper
from sweeper.ledger.history import History
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Ended, Started, State, Trial, config_key, trial_key

SEEDS, SETTINGS, METRICS = 4, 30, 20  # about what the bundled trainer has


def trials(count: int) -> list[Trial]:
    """A sweep over three weights beside settings that do not vary."""
    base = {f"train.setting_{i}": i for i in range(SETTINGS)}
    made = []
    for point in range(-(-count // SEEDS)):
        varied = {"loss.beta": point / 1000, "loss.marginal": point % 7, "loss.jsd": point % 3}
        config = config_key("imaginary", {**base, **varied})
        made += [
            Trial(trial_key(config, s, "c0de"), config, s, varied, base, "imaginary", "c0de") for s in range(SEEDS)
        ]
    return made[:count]


def fill_ledger(results: Path, planned: list[Trial], metrics: list[dict[str, float]]) -> None:
    """Written as a run writes it, each end on the disk."""
    with Ledger(SweepDir(results, "big")) as book:
        book.run("name: big\nparameters: {loss.beta: {values: [0, 1]}}\n", {}, planned, History())
        for trial, values in zip(planned, metrics, strict=True):
            book.record(Started(trial.key, 1, 1e9, "cpu", "here"))
            end = Ended(trial.key, 1, 1e9 + 2, State.COMPLETED, "", values, 2000, 2.0, 1e9, "cpu", "here", "abc")
            book.record(end)


def fill_mlflow(uri: str, planned: list[Trial], metrics: list[dict[str, float]]) -> str:
    """The same parameters and metrics, a run a trial, in MLflow's quickest way: one batch per run."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(uri)
    experiment: str = client.create_experiment("big")
    for trial, values in zip(planned, metrics, strict=True):
        run = client.create_run(experiment)
        params = [Param(name, str(value)) for name, value in trial.params.items()]
        found = [Metric(name, value, 1, 2000) for name, value in values.items()]
        client.log_batch(run.info.run_id, metrics=found, params=params)
        client.set_terminated(run.info.run_id)
    return experiment


def export_seconds(results: Path, level: str) -> float:
    """From the command to the table, the best of three."""
    command = [sys.executable, "-m", "sweeper", "export", "big", "--level", level, "--results", str(results)]
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([*command, "--output", str(results / "table.csv")], check=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


def frame_seconds(call: Callable[[], pd.DataFrame], count: int) -> tuple[float, float]:
    """From a call to its data frame, seconds passed and seconds of the processor, the better of two."""
    taken = []
    for _ in range(2):
        start, busy = time.perf_counter(), time.process_time()
        assert len(call()) == count
        taken.append((time.perf_counter() - start, time.process_time() - busy))
    return min(taken)


def main() -> None:
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    noise, planned = random.Random(0), trials(count)
    metrics = [{f"metric_{i}": noise.gauss(0, 1) for i in range(METRICS)} for _ in planned]
    with tempfile.TemporaryDirectory() as folder:
        results, uri = Path(folder), f"sqlite:///{folder}/mlflow.db"
        fill_ledger(results, planned, metrics)
        ours = {level: export_seconds(results, level) for level in ("trial", "config")}
        for level, seconds in ours.items():
            print(f"sweeper export --level {level:<7} {count} trials: {seconds:6.2f} s", flush=True)
        experiment = fill_mlflow(uri, planned, metrics)
        mlflow.set_tracking_uri(uri)
        mine = frame_seconds(lambda: sweeper.load_results(results / "big").trials, count)
        theirs = frame_seconds(lambda: mlflow.search_runs([experiment], max_results=count), count)
        for name, (wall, cpu) in (("sweeper.load_results().trials", mine), ("mlflow.search_runs", theirs)):
            print(f"{name:<29} {count} trials: {wall:6.2f} s, {cpu:6.2f} s of the processor")
        print(f"MLflow takes {theirs[0] / mine[0]:.0f} times as long, {theirs[1] / mine[1]:.0f} times the processor")


if __name__ == "__main__":
    main()
