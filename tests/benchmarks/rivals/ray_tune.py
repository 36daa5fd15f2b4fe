"""Plain Ray Tune, as its page "Using MLflow with Tune" shows it: a function, a grid, the MLflow callback.

``ray_tune.py TRAINER GRID [--reuse] [--gpu 0.125]``. With ``--reuse`` the same function keeps its processes
(``reuse_actors``): Ray resets function trainables too (FunctionTrainable.reset_config; 20 trials ran in 2 processes,
20 without), so that no class is needed.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from work import TRAINERS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("trainer", choices=TRAINERS)
    parser.add_argument("grid", type=json.loads)
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--gpu", type=float, default=0)
    options = parser.parse_args()
    train = TRAINERS[options.trainer]

    def trainable(config: dict[str, object]) -> None:
        train(config, lambda step, metrics: tune.report(dict(metrics)))

    # A cluster of our own: without an address Ray joins one that somebody left in its temporary folder.
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1, "gpu": options.gpu}),
        param_space={name: tune.grid_search(values) for name, values in options.grid.items()},
        tune_config=tune.TuneConfig(reuse_actors=options.reuse),
        run_config=tune.RunConfig(
            name="grid",
            storage_path=str(Path.cwd()),
            verbose=0,
            callbacks=[MLflowLoggerCallback(f"sqlite:///{Path.cwd()}/mlflow.db", experiment_name="grid")],
        ),
    )
    results = tuner.fit()
    assert not results.errors, results.errors[0]


if __name__ == "__main__":
    main()
