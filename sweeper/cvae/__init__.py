"""The bundled trainer: a discrete-latent conditional VAE with the token-weighted inter-latent JSD.

Imports torch and the standard library only; nothing is imported before it is used, so that
``import sweeper.cvae.config`` costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.cvae.config import CVAEConfig, DisentanglementLossConfig
    from sweeper.cvae.diverged import Diverged
    from sweeper.cvae.losses import inter_latent_jsd_loss
    from sweeper.cvae.networks.model import SharedDiscreteCVAE

__all__ = [
    "CVAEConfig",
    "DisentanglementLossConfig",
    "Diverged",
    "SharedDiscreteCVAE",
    "inter_latent_jsd_loss",
]

_HOMES = {
    "CVAEConfig": "config",
    "DisentanglementLossConfig": "terms",
    "Diverged": "diverged",
    "SharedDiscreteCVAE": "networks.model",
    "inter_latent_jsd_loss": "losses",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
