"""What cannot be trained in a pack is refused, with the module's name and what to change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sweeper.errors import ContractError
from sweeper.fused.pack import train_pack
from tests.fused import plain
from tests.fused.plain import Member, Waiting
from tests.fused.test_members import DEFAULTS, recipe_of


class Counting(nn.Module):
    """Changes what only its own training may change."""

    def __init__(self) -> None:
        super().__init__()
        self.average = nn.Buffer(torch.zeros(6))
        self.last = torch.zeros(6)

    def forward(self, x: Tensor) -> Tensor:
        self.average.lerp_(x.detach().mean(0), 0.1)
        return x - self.average


class Remembering(Counting):
    def forward(self, x: Tensor) -> Tensor:
        self.last = x.detach().mean(0)
        return x - self.last


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Selecting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x[x > 0].mean()


class Reading(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean().item()


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(8, 6)
        total += x
        return total


class Shuffling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[torch.randperm(8)]


def model(part: Callable[[], nn.Module]) -> Callable[[Any], nn.Module]:
    def make(params: Any) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 6), nn.Sequential(nn.ReLU(), part()), nn.Linear(6, 3))

    return make


def members(count: int = 2, **params: Any) -> list[Member]:
    return [Member({**DEFAULTS, "lr": 0.1 * i, "seed": i, **params}) for i in range(count)]


def refusal(part: Callable[[], nn.Module], loss: Any = plain.label_loss) -> str:
    """Why the pack was refused."""
    with pytest.raises(ContractError) as error:
        train_pack(recipe_of(model(part), loss, plain.vectors), Waiting(members()))
    return str(error.value)


@pytest.mark.parametrize(
    ("part", "problem", "cure"),
    [
        (lambda: nn.BatchNorm1d(6), "BatchNorm1d updates running statistics", "GroupNorm or LayerNorm"),
        (Counting, "the forward pass changes average", "return what it computes"),
        (Remembering, "the forward pass changes last", "return what it computes"),
        (Branching, "works for one trial and not for a pack (test_refusals.py:", "torch.where or a mask"),
        (Selecting, "works for one trial and not for a pack (test_refusals.py:", "multiply by a mask"),
        (Reading, "works for one trial and not for a pack (test_refusals.py:", "keep it a tensor"),
        (InPlace, "works for one trial and not for a pack (test_refusals.py:", "x = x + y in place of x += y"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_fused_is_named(part: Callable[[], nn.Module], problem: str, cure: str) -> None:
    found = refusal(part)
    assert found.startswith("module '1.1' cannot be fused: ")
    assert problem in found
    assert cure in found


def test_random_operations_that_have_no_rows_are_refused() -> None:
    assert "randperm in the loss cannot be drawn per trial; draw it in batch()" in refusal(Shuffling)


def test_a_loss_that_branches_on_a_setting_is_refused() -> None:
    def loss(model: Any, batch: Any, params: Any) -> Any:
        return model(batch[0]).sum() * (2 if params["beta"] > 0 else 1)

    assert re.search(
        r"the loss cannot be fused: .* \(test_refusals.py:\d+\); .* name it in `fixed`", refusal(nn.ReLU, loss)
    )


def test_batch_norm_without_running_statistics_is_trained() -> None:
    pack = members()
    make = model(lambda: nn.BatchNorm1d(6, track_running_stats=False))
    train_pack(recipe_of(make, plain.label_loss, plain.vectors), Waiting(list(pack)))
    assert all(member.final for member in pack)


def test_an_error_of_the_loss_itself_stays_what_it_is() -> None:
    def loss(model: Any, batch: Any, params: Any) -> Any:
        raise KeyError("target")

    first = members()
    with pytest.raises(KeyError, match="target"):
        train_pack(recipe_of(model(nn.ReLU), loss, plain.vectors), Waiting(first))


def test_a_member_whose_settings_shape_its_model_fails_alone() -> None:
    pack = members()
    pack[1].params["beta"] = 0.5

    def make(params: Any) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 3), nn.Dropout(params["beta"]))

    train_pack(recipe_of(make, plain.label_loss, plain.vectors), Waiting(list(pack)))
    assert pack[0].final
    assert str(pack[1].error) == "1.p is 0.5, and 0.0 in the pack: a setting that shapes the model belongs into `fixed`"


def test_batches_of_different_shapes_are_refused() -> None:
    def batch(params: Any, step: int, generator: torch.Generator) -> Any:
        return torch.randn(8 + params["seed"], 6, generator=generator), torch.zeros(8 + params["seed"]).long()

    with pytest.raises(ContractError, match=r"found \(8, 6\) and \(9, 6\): leave the last, smaller batch out, or pad"):
        train_pack(recipe_of(model(nn.ReLU), plain.label_loss, batch), Waiting(members()))
