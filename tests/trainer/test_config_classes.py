"""Configuration classes of people's own programs as declared parameters."""

from __future__ import annotations

import argparse
import dataclasses
import enum
from pathlib import Path

import pydantic
import pytest

import sweeper
from sweeper.trainer.config_classes import parameters_of


class Norm(enum.Enum):
    LAYER = "layer"


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@dataclasses.dataclass
class Config:
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    norm: Norm = Norm.LAYER
    data: Path | None = Path("data/train.csv")
    extra: dict[str, int] = dataclasses.field(default_factory=dict)
    seed: int = 0


class Model(pydantic.BaseModel):
    width: int
    optimizer: Optimizer = Optimizer()


def test_a_dataclass_is_flat_with_values_that_yaml_can_hold() -> None:
    flat = {"optimizer.lr": 0.1, "optimizer.betas": [0.9, 0.99], "norm": "layer", "data": "data/train.csv", "extra": {}}
    assert parameters_of(Config) == parameters_of(Config()) == flat


def test_a_setting_without_a_default_is_named_and_an_object_has_it() -> None:
    with pytest.raises(sweeper.SweeperError, match="without a default\n  found: width"):
        parameters_of(Model)
    assert parameters_of(Model(width=8)) == {"width": 8, "optimizer.lr": 0.1, "optimizer.betas": [0.9, 0.99]}


def test_a_parser_gives_what_an_empty_command_line_would() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default="0.1")
    parser.add_argument("--layers-no", type=int)
    parser.add_argument("--deep", dest="shape", action="store_const", const="deep", default="flat")
    parser.add_argument("--wide", dest="shape", action="store_const", const="wide")
    parser.add_argument("--bias", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--version", action="version", version="1")
    parser.set_defaults(lr=0.3, run="main")
    wanted = vars(parser.parse_args([]))
    assert parameters_of(parser) == {name: wanted[name] for name in wanted if name != "seed"}
    parser.add_argument("file")
    with pytest.raises(sweeper.SweeperError, match="found: file"):
        parameters_of(parser)


@pytest.mark.parametrize("config", [3, Norm, {"f": print}, {"x": float("nan")}])
def test_what_no_sweep_file_could_hold_is_refused(config: object) -> None:
    with pytest.raises(sweeper.SweeperError, match="cannot"):
        parameters_of(config)


def test_declared_parameters_are_checked_and_reach_the_trainer(folder: Path) -> None:
    text = """
    import dataclasses, sweeper
    @dataclasses.dataclass
    class Config:
        lr: float = 0.1
        width: int = 64
        seed: int = 0
    def train(params, report):
        config = Config(**params)
        report(1, {"loss": config.lr * config.width + config.seed})
    train.parameters = sweeper.parameters_of(Config)
    """
    (folder / "own_config.py").write_text("\n".join(line[4:] for line in text.splitlines()))
    (folder / "own.yaml").write_text("trainer: own_config:train\nmetric: {name: loss, goal: minimize}\nseeds: [1]\n")
    sweeper.run(sweeper.make_plan(sweeper.load_spec("own.yaml", ["lr=0.5,1"])), runner="inprocess")
    assert list(sweeper.load_results("results/own").trials["loss"]) == [33.0, 65.0]
    with pytest.raises(sweeper.SweeperError, match="did you mean width"):
        sweeper.make_plan(sweeper.load_spec("own.yaml", ["lr=0.5,1", "widht=3"]))
