"""A member of a fused pack is the training that a plain loop of PyTorch does alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from sweeper.fused.optimizers import SGD, Adam, AdamW, Optimizer
from sweeper.fused.pack import train_pack
from sweeper.fused.recipe import Recipe, make_recipe
from tests.fused import plain
from tests.fused.plain import Member, Waiting

DEFAULTS = {"lr": 0.01, "beta": 0.0, "weight_decay": 0.0, "steps": 12, "report_every": 12}
MODELS: dict[str, tuple[Any, Any, Any]] = {
    "MLP with dropout": (lambda params: plain.MLP(), plain.label_loss, plain.vectors),
    "CNN": (lambda params: plain.CNN(), plain.label_loss, plain.images),
    "transformer": (lambda params: plain.Block(), plain.label_loss, plain.tokens),
    "GRU": (lambda params: plain.Recurrent(nn.GRU), plain.label_loss, plain.tokens),
    "LSTM": (lambda params: plain.Recurrent(nn.LSTM), plain.label_loss, plain.tokens),
    "VAE": (lambda params: plain.VAE(), plain.vae_loss, plain.vectors),
}


def recipe_of(model: Any, loss: Any, batch: Any, optimizer: Optimizer | str = "adamw", **more: Any) -> Recipe:
    arguments: dict[str, Any] = {"steps": "steps", "report_every": "report_every", "evaluate": None, "schedule": None}
    arguments |= {"clip_norm": None, "device": "cpu", "fixed": (), "parameters": DEFAULTS, **more}
    return make_recipe(optimizer=optimizer, model=model, loss=loss, batch=batch, **arguments)


def members(folder: Path, count: int = 3, **params: Any) -> list[Member]:
    """Members that differ in all that may differ."""
    made = []
    for i in range(count):
        directory = folder / str(i)
        directory.mkdir(parents=True)
        settings = {**DEFAULTS, "lr": 0.005 * (i + 1), "beta": 0.1 * i, "weight_decay": 0.02 * i, "seed": i, **params}
        made.append(Member(settings, directory))
    return made


def assert_equal_alone(recipe: Recipe, optimizer: str, pack: list[Member], **more: Any) -> None:
    train_pack(recipe, Waiting(pack))
    for member in pack:
        assert member.error is None
        assert member.directory is not None
        own = {name: member.params.get(name, value) for name, value in more.items()}
        alone = plain.trained_alone(recipe, optimizer, member.params, lr=member.params["lr"], **own)
        found = load_file(member.directory / "model.safetensors")
        assert found.keys() == alone.keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", MODELS)
def test_members_equal_training_alone(kind: str, tmp_path: Path) -> None:
    recipe = recipe_of(*MODELS[kind], AdamW(lr="lr", weight_decay="weight_decay", eps=1e-4))
    assert_equal_alone(recipe, "adamw", members(tmp_path), weight_decay=0.0, eps=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "name", "more"),
    [
        (SGD(lr="lr", momentum=0.9, weight_decay="weight_decay"), "sgd", {"momentum": 0.9, "weight_decay": 0.0}),
        (SGD(lr="lr", momentum=0.9, nesterov=True), "sgd", {"momentum": 0.9, "nesterov": True}),
        (Adam(lr="lr", weight_decay="weight_decay", eps=1e-4), "adam", {"weight_decay": 0.0, "eps": 1e-4}),
        (Adam(lr="lr", beta1=0.5, beta2=0.9, eps=1e-4), "adam", {"betas": (0.5, 0.9), "eps": 1e-4}),
    ],
)
def test_optimizers_equal_those_of_torch(optimizer: Optimizer, name: str, more: Any, tmp_path: Path) -> None:
    recipe = recipe_of(*MODELS["MLP with dropout"], optimizer)
    assert_equal_alone(recipe, name, members(tmp_path), **more)


def test_schedule_and_clipping_equal_those_of_a_plain_loop(tmp_path: Path) -> None:
    recipe = recipe_of(
        *MODELS["MLP with dropout"],
        SGD(lr="lr"),
        schedule=lambda step, params: step / params["steps"],
        clip_norm="weight_decay",
    )
    assert_equal_alone(recipe, "sgd", members(tmp_path))


def test_a_pack_of_one_takes_no_vmap_and_is_the_same_training(tmp_path: Path) -> None:
    recipe = recipe_of(*MODELS["VAE"], SGD(lr="lr"))
    assert_equal_alone(recipe, "sgd", members(tmp_path, 1))


def test_tied_and_frozen_parameters_and_random_buffers(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Linear(6, 6), nn.Linear(6, 6)
            self.decoder.weight = self.encoder.weight
            self.frozen = nn.Linear(6, 3).requires_grad_(False)
            self.register_buffer("features", torch.randn(6))

        def forward(self, x: torch.Tensor) -> Any:
            return self.frozen(self.decoder(torch.cos(self.encoder(x) * self.features)))

    recipe = recipe_of(lambda params: Tied(), plain.label_loss, plain.vectors, SGD(lr="lr"))
    assert_equal_alone(recipe, "sgd", members(tmp_path))


def test_an_optimizer_by_name_takes_the_settings_of_its_hyperparameters() -> None:
    made = recipe_of(*MODELS["CNN"], "adamw").optimizer
    assert made == AdamW(lr="lr", weight_decay="weight_decay")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "adagrad"}, "optimizer: found 'adagrad', allowed: sgd, adam, adamw"),
        ({"optimizer": SGD(lr="learning_rate")}, "lr: 'learning_rate' is no setting"),
        ({"fixed": ("widht",)}, "fixed: widht is no setting"),
        ({"batch": 32}, "batch: found int, allowed: a function"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(wrong: dict[str, Any], message: str) -> None:
    model, loss, batch = MODELS["CNN"]
    with pytest.raises((ValueError, TypeError), match=message):
        partial(recipe_of, model, loss)(**{"batch": batch, **wrong})
