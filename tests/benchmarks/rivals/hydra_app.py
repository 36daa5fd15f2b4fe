"""Hydra multirun with the joblib launcher, as its page on that plugin shows it; the task logs to MLflow.

``hydra_app.py --multirun trainer=noop +params.x=1,2,3``.
"""

from __future__ import annotations

import hydra
import mlflow
from omegaconf import DictConfig, OmegaConf
from work import STORE, TRAINERS


@hydra.main(version_base=None, config_path=".", config_name="hydra_app")
def main(cfg: DictConfig) -> None:
    mlflow.set_tracking_uri(cfg.store)
    mlflow.set_experiment("grid")
    params = flat(OmegaConf.to_container(cfg.params))
    with mlflow.start_run():
        mlflow.log_params(params)
        TRAINERS[cfg.trainer](params, lambda step, metrics: mlflow.log_metrics(dict(metrics), step=step))


def flat(tree: object, prefix: str = "") -> dict[str, object]:
    """``{"loss": {"beta": 1}}`` as ``{"loss.beta": 1}``."""
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    return {name: value for key, branch in tree.items() for name, value in flat(branch, f"{prefix}{key}.").items()}


if __name__ == "__main__":
    mlflow.set_tracking_uri(STORE)
    mlflow.create_experiment("grid")  # here, where there is one process: two would race to make the database
    main()
