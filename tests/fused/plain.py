"""Models as people write them, and their training in a plain loop of PyTorch, which a fused member must equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sweeper.fused.recipe import Recipe

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class MLP(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 3))

    def forward(self, x: Tensor) -> Any:
        return self.layers(x)


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.head = nn.Linear(8 * 2 * 2, 3)

    def forward(self, x: Tensor) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 2)
        return self.head(x.flatten(1))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(11, 8), nn.Embedding(5, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 3)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(5))

    def forward(self, ids: Tensor) -> Any:
        h = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.block(h, src_mask=self.mask, is_causal=True)[:, -1])


class Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.tokens, self.rnn, self.head = nn.Embedding(11, 8), kind(8, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Any:
        return self.head(self.rnn(self.tokens(ids))[0][:, -1])


class VAE(nn.Module):
    """Its loss calls its parts and draws noise of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(2, 6)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        return mean, log_variance


def vae_loss(model: VAE, batch: tuple[Tensor, Tensor], params: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
    mean, log_variance = model.encode(batch[0])
    z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1).mean()
    error = F.mse_loss(model.decoder(z), batch[0])
    return error + params["beta"] * kl, {"kl": kl}


def label_loss(model: nn.Module, batch: tuple[Tensor, Tensor], params: Mapping[str, Any]) -> Any:
    logits = model(batch[0])
    return F.cross_entropy(logits, batch[1]) + params["beta"] * logits.square().mean()


def vectors(params: Mapping[str, Any], step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = torch.randn(8, 6, generator=generator)
    return x, x[:, :3].argmax(-1)


def images(params: Mapping[str, Any], step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    x = torch.randn(8, 1, 8, 8, generator=generator)
    return x, x.flatten(1)[:, :3].argmax(-1)


def tokens(params: Mapping[str, Any], step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    ids = torch.randint(11, (8, 5), generator=generator)
    return ids, ids[:, 2] % 3


def trained_alone(recipe: Recipe, optimizer: str, params: Mapping[str, Any], **more: Any) -> dict[str, Tensor]:
    """The state dict after a training as people write it, with `torch.optim`."""
    with torch.random.fork_rng():
        torch.manual_seed(params["seed"])
        model, generator = recipe.model(params), torch.Generator().manual_seed(params["seed"])
        chosen = OPTIMIZERS[optimizer](model.parameters(), **more)
        for step in range(params["steps"]):
            chosen.zero_grad()
            found = recipe.loss(model, recipe.batch(params, step, generator), params)
            loss = found[0] if isinstance(found, tuple) else found
            loss.backward()
            if recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.number(recipe.clip_norm, params))
            if recipe.schedule is not None:
                chosen.param_groups[0]["lr"] = params["lr"] * recipe.schedule(step + 1, params)
            chosen.step()
    return model.state_dict()


@dataclass
class Member:
    """A member of a pack that remembers what it is given; it leaves at the report number `leaves`."""

    params: dict[str, Any]
    directory: Path | None = None
    checkpoint: Any = None
    leaves: int = -1
    reports: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    final: dict[str, float] | None = None
    error: Exception | None = None

    def progress(self, step: int) -> None:
        assert self.final is None

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        self.reports.append((step, dict(metrics)))
        return len(self.reports) != self.leaves

    def finish(self, metrics: Mapping[str, float]) -> None:
        self.final = dict(metrics)

    def fail(self, error: Exception) -> None:
        self.error = error


@dataclass
class Waiting:
    """Members that wait; `size` as in a sweep file."""

    members: list[Member]
    size: int | None = None

    def __post_init__(self) -> None:
        self.size = self.size or len(self.members)

    def join(self, free: int) -> list[Member]:
        taken, self.members = self.members[:free], self.members[free:]
        return taken


@dataclass
class Store:
    """Keeps checkpoints in memory; due after each of the steps `at`, and says stop there if it `stops`."""

    at: tuple[int, ...] = ()
    stops: bool = False
    step: int = 0
    saved: tuple[dict[str, Tensor], dict[str, Any]] | None = None
    asked: int = 0
    on_due: Callable[[], None] | None = None

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        return self.saved

    def is_due(self) -> bool:
        self.asked += 1
        return self.asked in self.at

    def save(self, step: int, tensors: Mapping[str, Tensor], data: Mapping[str, Any]) -> bool:
        self.saved = ({name: tensor.clone() for name, tensor in tensors.items()}, dict(data))
        return not self.stops
