"""A contender trains a grid: its own process in a fresh folder, timed, and held to what it put into MLflow."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RIVALS = Path(__file__).parent / "rivals"
Grid = Mapping[str, Sequence[Any]]  # a setting with one value does not vary
Point = tuple[float, ...]  # the values of a grid's varying settings, in the grid's order
CORES = len(os.sched_getaffinity(0))  # one worker each, for every contender
TIMEOUT_S = 1200


@dataclass(frozen=True)
class Contest:
    """What is trained: a function of rivals/work.py, its grid, workers, and the share of a GPU of each."""

    trainer: str
    grid: Grid
    workers: int = CORES
    gpu: float = 0

    @property
    def points(self) -> set[Point]:
        return {tuple(map(float, values)) for values in itertools.product(*(self.grid[name] for name in self.varied))}

    @property
    def varied(self) -> list[str]:
        return [name for name, values in self.grid.items() if len(values) > 1] or list(self.grid)[:1]


@dataclass(frozen=True)
class Finish:
    """From the command to its end, seconds; when the first report was logged; each trial's last metrics."""

    seconds: float
    first_report: float
    metrics: Mapping[Point, Mapping[str, float]]


def sweeper(contest: Contest, folder: Path, runner: str = "ray") -> list[str]:
    """Our command, and the sweep file it needs; resources are the defaults, as a user has them."""
    swept = {name: {"values": list(contest.grid[name])} for name in contest.varied if name != "seed"}
    metric = "score" if contest.trainer == "noop" else "alignment"
    file = {
        "trainer": {"noop": "work:noop"}.get(contest.trainer, contest.trainer),
        "metric": {"name": metric, "goal": "maximize"},
        "base": {name: values[0] for name, values in contest.grid.items() if name not in (*contest.varied, "seed")},
        "parameters": swept,
        "seeds": list(contest.grid.get("seed", [0])),
    }
    (folder / "grid.yaml").write_text(json.dumps(file))  # JSON is YAML
    return [sys.executable, "-m", "sweeper", "run", "grid.yaml", "--results", ".", "--quiet", "--runner", runner]


def in_process(contest: Contest, folder: Path) -> list[str]:
    return sweeper(contest, folder, "inprocess")


def ray_tune(contest: Contest, folder: Path) -> list[str]:
    return [*_python("ray_tune.py"), contest.trainer, json.dumps(contest.grid), f"--gpu={contest.gpu}"]


def ray_reused(contest: Contest, folder: Path) -> list[str]:
    return [*ray_tune(contest, folder), "--reuse"]


def optuna_pool(contest: Contest, folder: Path) -> list[str]:
    return [*_python("optuna_pool.py"), contest.trainer, json.dumps(contest.grid), f"--workers={contest.workers}"]


def hydra_joblib(contest: Contest, folder: Path) -> list[str]:
    swept = [f"+params.{name}={','.join(map(str, values))}" for name, values in contest.grid.items()]
    words = ["--multirun", f"hydra.launcher.n_jobs={contest.workers}", f"trainer={contest.trainer}"]
    return [*_python("hydra_app.py"), *words, *swept]


CONTENDERS = {
    "sweeper": sweeper,
    "sweeper in-process": in_process,
    "Ray Tune": ray_tune,
    "Ray Tune, reused workers": ray_reused,
    "Optuna pool": optuna_pool,
    "Hydra joblib": hydra_joblib,
}


def hold(contest: Contest, contender: str, cache: Path | None = None) -> Finish:
    """One contender's run. Raises RuntimeError unless MLflow then has every trial of the grid once, with metrics.

    `cache`: where measured pack sizes are remembered; None: they are measured again, within the time.
    """
    with _folder() as folder:
        command = CONTENDERS[contender](contest, folder)
        env = environment(cache or folder / "cache")
        with (folder / "said.txt").open("wb") as said:
            epoch, began = time.time(), time.perf_counter()
            ended = subprocess.run(command, cwd=folder, env=env, stdout=said, stderr=said, timeout=TIMEOUT_S)
            seconds = time.perf_counter() - began
        if ended.returncode:
            output = (folder / "said.txt").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{contender} ended with {ended.returncode}: {output}")
        metrics, first = _logged(folder / "mlflow.db", contest)
    if set(metrics) != contest.points:
        raise RuntimeError(f"{contender}: {len(metrics)} of {len(contest.points)} trials are in MLflow with metrics")
    return Finish(seconds, first - epoch, metrics)


def environment(cache: Path) -> dict[str, str]:
    """One thread per process, nothing from outside that would favour one, no calls home."""
    ours = ("RAY_", "MLFLOW_", "SWEEPER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**kept, **threads, **quiet, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(RIVALS)}


def largest_difference(finishes: Sequence[Finish]) -> float:
    """Of any metric of any trial between any two contenders; metrics that one of them lacks are not compared."""
    largest = 0.0
    for point in finishes[0].metrics:
        output = [finish.metrics[point] for finish in finishes]
        for name in set.intersection(*map(set, output)):
            values = [metrics[name] for metrics in output]
            largest = max(largest, max(values) - min(values))
    return largest


def _logged(database: Path, contest: Contest) -> tuple[dict[Point, dict[str, float]], float]:
    """Each finished trial's last metrics, and the time of the first report of all."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{database}")
    found, first = {}, float("inf")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    for run in client.search_runs(experiments, max_results=50_000, order_by=["attributes.start_time"]):
        is_trial = run.data.tags.get("sweeper.kind", "trial") == "trial"
        if not (is_trial and run.info.status == "FINISHED" and run.data.metrics):
            continue
        point = tuple(float(run.data.params[name]) for name in contest.varied)
        if point in found:
            raise RuntimeError(f"the trial {point} is in MLflow twice")
        found[point] = dict(run.data.metrics)
        if len(found) <= contest.workers:
            metric = "score" if contest.trainer == "noop" else "alignment"
            history = client.get_metric_history(run.info.run_id, metric)
            first = min(first, *(entry.timestamp / 1000 for entry in history))
    return found, first


def _python(script: str) -> list[str]:
    return [sys.executable, str(RIVALS / script)]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()
