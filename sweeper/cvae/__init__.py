"""The bundled trainer: a discrete-latent conditional VAE with the token-weighted inter-latent JSD.

Imports torch, safetensors and the standard library only, pyarrow and tokenizers for files of data that need them.
Names are imported when first used, so that
``import sweeper.cvae.config`` takes milliseconds::

    from sweeper.cvae import train
    metrics = train({"loss.beta": 1.0, "seed": 0}, report=lambda step, metrics: print(step, metrics["alignment"]))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.cvae.checkpoint import load_model
    from sweeper.cvae.config import DEFAULTS, METRICS, CVAEConfig
    from sweeper.cvae.diverged import Diverged
    from sweeper.cvae.evaluation.evaluate import evaluate
    from sweeper.cvae.losses import inter_latent_jsd_from_hidden, inter_latent_jsd_loss
    from sweeper.cvae.networks.model import SharedDiscreteCVAE
    from sweeper.cvae.tasks import make_task
    from sweeper.cvae.terms import DisentanglementLossConfig
    from sweeper.cvae.training.train import train

__all__ = [
    "DEFAULTS",
    "METRICS",
    "CVAEConfig",
    "DisentanglementLossConfig",
    "Diverged",
    "SharedDiscreteCVAE",
    "evaluate",
    "inter_latent_jsd_from_hidden",
    "inter_latent_jsd_loss",
    "load_model",
    "make_task",
    "train",
]

_HOMES = {
    "DEFAULTS": "config",
    "METRICS": "config",
    "CVAEConfig": "config",
    "DisentanglementLossConfig": "terms",
    "Diverged": "diverged",
    "SharedDiscreteCVAE": "networks.model",
    "evaluate": "evaluation.evaluate",
    "inter_latent_jsd_from_hidden": "losses",
    "inter_latent_jsd_loss": "losses",
    "load_model": "checkpoint",
    "make_task": "tasks",
    "train": "training.train",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
