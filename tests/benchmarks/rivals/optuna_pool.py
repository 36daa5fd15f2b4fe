"""Optuna in a pool of processes that share a study through a journal file, as its pages on parallelization and on
JournalStorage show it; the objective logs to MLflow (optuna-integration's MLflowCallback is deprecated).

``optuna_pool.py TRAINER GRID [--workers 2]``. The pool forks before anything is opened, so that imports are paid once.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
from typing import Any

import mlflow
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from work import STORE, TRAINERS


def optimize(trainer: str, grid: dict[str, list[Any]], n_trials: int) -> None:
    """One process: its share of the trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mlflow.set_tracking_uri(STORE)
    mlflow.set_experiment("grid")

    def objective(trial: optuna.Trial) -> float:
        params = {name: trial.suggest_categorical(name, values) for name, values in grid.items()}
        with mlflow.start_run(run_name=str(trial.number)):
            mlflow.log_params(params)
            last: dict[str, float] = {}

            def report(step: int, metrics: Any) -> None:
                mlflow.log_metrics(dict(metrics), step=step)
                last.update(metrics)

            TRAINERS[trainer](params, report)
        return last["score" if trainer == "noop" else "alignment"]

    study = optuna.load_study(study_name="grid", storage=storage(), sampler=optuna.samplers.GridSampler(grid))
    study.optimize(objective, n_trials=n_trials)


def storage() -> JournalStorage:
    return JournalStorage(JournalFileBackend("journal.log"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("trainer", choices=TRAINERS)
    parser.add_argument("grid", type=json.loads)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if options.trainer == "cvae":
        import sweeper.cvae.training.train  # noqa: F401  before the fork: once for all workers
    total, workers = math.prod(map(len, options.grid.values())), options.workers
    shares = [total // workers + (i < total % workers) for i in range(workers)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        mlflow.set_tracking_uri(STORE)
        mlflow.set_experiment("grid")
        optuna.create_study(study_name="grid", storage=storage(), direction="maximize")
        pool.starmap(optimize, [(options.trainer, options.grid, share) for share in shares])


if __name__ == "__main__":
    main()
