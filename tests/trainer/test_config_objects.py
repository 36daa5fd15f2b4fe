"""`config_from`: a configuration object from the settings of a trial, back from what `parameters_of` makes of it."""

from __future__ import annotations

import argparse
import dataclasses
import enum
from pathlib import Path
from typing import Any

import pydantic
import pytest

import sweeper
from sweeper.trainer.config_classes import parameters_of
from sweeper.trainer.config_objects import config_from


class Norm(enum.Enum):
    LAYER = "layer"
    BATCH = "batch"


@dataclasses.dataclass(frozen=True)
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@dataclasses.dataclass
class Config:
    width: int
    optimizer: Optimizer = dataclasses.field(default_factory=lambda: Optimizer(0.5))
    norm: Norm | None = None
    data: Path = Path("train.csv")
    layers: list[int] = dataclasses.field(default_factory=lambda: [1, 2])
    extra: dict[str, Any] = dataclasses.field(default_factory=lambda: {"a": {"b": 1}})
    made: int = dataclasses.field(init=False, default=7)
    seed: int = 0


class Model(pydantic.BaseModel):
    width: int = pydantic.Field(default=8, alias="hiddenWidth", ge=1)
    norm: Norm = Norm.LAYER
    optimizer: Optimizer = Optimizer()
    inner: Inner | None = None


class Inner(pydantic.BaseModel):
    path: Path = Path("a")


def test_a_class_comes_back_with_its_own_types() -> None:
    whole = Config(3, Optimizer(0.2, (0.1, 0.2)), Norm.BATCH, Path("x/y"), [4], {"a": {"b": 2}}, seed=5)
    assert config_from(Config, {**parameters_of(whole), "seed": 5}) == whole
    assert config_from(Config(1), {"width": 2}) == Config(2)
    assert config_from(Config, {"width": 2, "optimizer.betas": [0, 1]}).optimizer == Optimizer(0.5, (0, 1))
    assert config_from(Config(1), {"norm": None, "optimizer.lr": 1}).optimizer.lr.is_integer()


def test_a_pydantic_model_is_validated() -> None:
    whole = Model(hiddenWidth=4, norm=Norm.BATCH, optimizer=Optimizer(0.3), inner=Inner(path=Path("b")))
    assert config_from(Model, {**parameters_of(whole), "seed": 5}) == whole
    assert config_from(Model(hiddenWidth=9), {"norm": "batch"}) == Model(hiddenWidth=9, norm=Norm.BATCH)
    assert config_from(Model, {"inner.path": "c"}).inner == Inner(path=Path("c"))
    with pytest.raises(sweeper.SweeperError, match=r"config_from\(Model\): the configuration refuses these settings"):
        config_from(Model, {"width": 0})


def test_a_parser_makes_a_namespace_and_a_mapping_a_mapping() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default="0.1")
    parser.add_argument("--out", type=Path, default=Path("o"))
    made = config_from(parser, {"lr": 1, "out": "p", "seed": 3})
    assert made == argparse.Namespace(lr=1.0, out=Path("p"))
    assert config_from(made, {"lr": 2.5}) == argparse.Namespace(lr=2.5, out=Path("p"))
    assert parameters_of(vars(made)) == {"lr": 1.0, "out": "p"}
    assert config_from({"a": {"b": 1, "c": 2}}, {"a.b": 3}) == {"a": {"b": 3, "c": 2}}


def test_an_omegaconf_configuration_is_copied_with_its_structure() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"model": {"width": 1}, "lr": 0.1, "twice": "${lr}"})
    made = config_from(config, {"model.width": 2, "lr": 0.5, "seed": 1})
    assert (made.model.width, made.twice, config.lr) == (2, 0.5, 0.1)
    structured = omegaconf.OmegaConf.structured(Config(1))
    assert config_from(structured, {"norm": "batch", "optimizer.lr": 3}).optimizer.lr == 3.0
    with pytest.raises(sweeper.SweeperError, match="no such setting"):
        config_from(config, {"model.with": 2})


@pytest.mark.parametrize(
    ("config", "params", "said"),
    [
        (Config, {"width": 1, "optimiser.lr": 2}, r"optimiser.lr: the configuration has no such setting"),
        (Config, {"width": 1, "optimizer.rl": 2}, r"optimizer.rl: the configuration has no such setting"),
        (Config, {"optimizer.lr": 2}, "refuses these settings: (.|\n)*width"),
        (Config, {"width": 1, "norm": "group"}, "refuses these settings: 'group' is not a valid Norm"),
        (3, {"width": 1}, "no configuration can be made of this"),
    ],
)
def test_what_does_not_fit_is_refused(config: Any, params: dict[str, Any], said: str) -> None:
    with pytest.raises(sweeper.SweeperError, match=said):
        config_from(config, params)
