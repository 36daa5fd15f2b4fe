"""Packs for a PyTorch model of your own: `sweeper.fuse` makes a trainer of a module, a loss and an optimizer.

Members of a pack are rows of stacked tensors, trained as one program by `torch.func.vmap`. Nothing here knows of
sweeps: it imports torch, safetensors and `sweeper.errors` only, and torch only once something is trained.
"""

from __future__ import annotations

from sweeper.fused.optimizers import SGD, Adam, AdamW
from sweeper.fused.trainer import fuse

__all__ = ["SGD", "Adam", "AdamW", "fuse"]
