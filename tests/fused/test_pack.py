"""A pack: members come, report, are saved and leave, and none of it touches another."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sweeper.fused.optimizers import SGD, Adam
from sweeper.fused.pack import train_pack
from sweeper.fused.pack_size import best_size
from tests.fused import plain
from tests.fused.plain import Member, Store, Waiting
from tests.fused.test_members import MODELS, assert_equal_alone, members, recipe_of


def trained(member: Member) -> dict[str, torch.Tensor]:
    assert member.directory is not None
    return load_file(member.directory / "model.safetensors")


def test_a_resumed_pack_ends_with_the_same_bits(tmp_path: Path) -> None:
    recipe = recipe_of(*MODELS["MLP with dropout"], Adam(lr="lr"), report_every=4)
    whole, first = members(tmp_path, 2), members(tmp_path / "resumed", 2)
    train_pack(recipe, Waiting(list(whole)))
    for member in first:
        member.checkpoint = Store(at=(7,), stops=True)
    train_pack(recipe, Waiting(list(first)))
    second = [Member(member.params, member.directory, Store(saved=member.checkpoint.saved)) for member in first]
    train_pack(recipe, Waiting(list(second)))
    for undisturbed, before, after in zip(whole, first, second, strict=True):
        assert before.checkpoint.saved[1] == {"step": 7, "metrics": before.reports[-1][1]}
        assert before.reports + after.reports == undisturbed.reports
        assert undisturbed.directory is not None
        assert after.directory is not None
        ends = [
            load_file(member.directory / "model.safetensors") for member in (undisturbed, after) if member.directory
        ]
        assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_metrics_that_are_tensors_can_be_saved(tmp_path: Path) -> None:
    """What people write in `evaluate`: (prediction == target).float().mean()."""
    recipe = recipe_of(*MODELS["MLP with dropout"], SGD(lr="lr"), evaluate=tensor_metrics, report_every=4)
    [member] = members(tmp_path, 1)
    member.checkpoint = Store(at=(7,), stops=True)
    train_pack(recipe, Waiting([member]))
    json.dumps(member.checkpoint.saved[1])
    assert member.checkpoint.saved[1]["metrics"]["mean"] == pytest.approx(float(member.reports[-1][1]["mean"]))


def tensor_metrics(model: Any, params: Any) -> dict[str, torch.Tensor]:
    return {"mean": model.layers[0].weight.mean()}


def test_members_that_are_pruned_diverge_or_join_late_leave_the_others_alone(tmp_path: Path) -> None:
    recipe = recipe_of(*MODELS["VAE"], SGD(lr="lr"), report_every=3)
    good, pruned, diverging, late, later = pack = members(tmp_path, 5, lr=0.01)
    pruned.leaves, diverging.params["lr"] = 2, 1e6
    train_pack(recipe, Waiting(list(pack), size=3))
    assert [step for step, _ in pruned.reports] == [3, 6]
    assert pruned.final is None
    assert isinstance(diverging.error, FloatingPointError)
    assert str(diverging.error).startswith("the loss is ")
    for member in (good, late, later):
        assert [step for step, _ in member.reports] == [3, 6, 9, 12]
        assert member.final == member.reports[-1][1]
        assert set(member.final) == {"loss", "kl"}
        alone = plain.trained_alone(recipe, "sgd", member.params, lr=0.01)
        assert all(torch.allclose(trained(member)[name], alone[name], atol=1e-5, rtol=0) for name in alone)


def test_evaluation_sees_the_member_in_evaluation_mode_and_no_training_sees_its_random_numbers(tmp_path: Path) -> None:
    def evaluate(model: Any, params: Any) -> dict[str, float]:
        assert not model.training
        return {"draw": float(torch.rand(())), "weight": float(model.layers[0].weight.sum()), "beta": params["beta"]}

    recipe = recipe_of(*MODELS["MLP with dropout"], SGD(lr="lr"), evaluate=evaluate, report_every=5)
    pack = members(tmp_path)
    assert_equal_alone(recipe, "sgd", pack)
    finals = [member.final or {} for member in pack]
    assert [final["beta"] for final in finals] == [0.0, 0.1, 0.2]
    assert len({final["draw"] for final in finals}) == len({final["weight"] for final in finals}) == 3


def test_the_best_size_is_where_the_time_per_member_is_least() -> None:
    assert best_size(lambda size: 1 + 0.1 * size, 16) == 16
    assert best_size(lambda size: 1 + 0.1 * size + 0.02 * size**2, 64) == 8
    assert best_size(lambda size: float(size), 64) == 1
    assert best_size(math.sqrt, 64, now=iter(range(99)).__next__) == 16


def test_members_are_measured_where_no_size_is_asked_for(tmp_path: Path) -> None:
    recipe = recipe_of(*MODELS["VAE"], SGD(lr="lr"))
    pack = members(tmp_path, 2)
    waiting = Waiting(list(pack))
    waiting.size = None
    train_pack(recipe, waiting)
    assert all(member.final for member in pack)
    assert next(iter(recipe.sizes.values())) >= 1
