"""On a GPU: the same numbers as on a CPU up to rounding, whatever is recorded, replayed, joined or dropped."""

import math

import pytest
import torch

from sweeper.cvae.config import build
from sweeper.cvae.training.baseline import BaselineKey, Baselines
from sweeper.cvae.training.cuda_graph import tf32
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.step import advance
from tests.cvae.training.packs import SMALL, Kept, Trial, Waiting, close, started, train_once

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

MIXED: list[dict[str, object]] = [
    {},
    {"seed": 1, "train.report_every": 20},
    {"seed": 2, "loss.beta": 0.1, "train.clip_norm": 0.1},
    {"seed": 3, "train.steps": 25},
    {"seed": 4, "loss.schedules.beta.kind": "linear", "train.learning_rate": 1e-3},
]


def trials_on(device, **changes):
    return [Trial({"train.steps": 40} | each | {"train.device": device}, **changes) for each in MIXED]


def test_a_pack_on_a_gpu_ends_as_on_a_cpu():
    on_gpu, on_cpu = trials_on("cuda"), trials_on("cpu")
    train_pack(Waiting(on_gpu))
    train_pack(Waiting(on_cpu))
    for one, other in zip(on_gpu, on_cpu, strict=True):
        assert one.reports.keys() == other.reports.keys()
        for name in ("nll", "posterior_entropy", "loss/total", "nll_baseline", "diagnostics/learning_rate"):
            assert one.final[name] == pytest.approx(other.final[name], rel=5e-3), name


def test_replayed_steps_are_those_that_are_not():
    packs = [started(trials_on("cuda")) for _ in range(2)]
    packs[0].stepper.run(20)
    with tf32():
        for _ in range(20):
            advance(packs[1].program, packs[1].state)
    assert packs[0].stepper.graph is not None
    assert packs[0].state.step_M.tolist() == [20] * len(MIXED)
    assert torch.allclose(packs[0].state.flat_MW, packs[1].state.flat_MW, rtol=1e-2, atol=1e-3)


def test_a_baseline_on_a_gpu_is_that_of_a_cpu():
    baseline_nlls = []
    for device in ("cuda", "cpu"):
        config = build(SMALL | {"train.steps": 150, "train.device": device})
        found = Baselines(Program.of(config)).baseline_nll([(BaselineKey.of(config, seed), 1) for seed in range(3)])
        baseline_nlls.append(torch.stack(found).cpu())
    assert torch.allclose(baseline_nlls[0], baseline_nlls[1], rtol=1e-2, atol=2e-2)


def test_members_come_and_go_without_disturbing_the_rest():
    trials = trials_on("cuda") + trials_on("cuda")
    trials[1].prune_at = 20
    slots = Waiting(trials, size=3)
    train_pack(slots)
    alone = trials_on("cuda")
    for trial in alone:
        train_pack(Waiting([trial]))
    assert trials[1].final is None
    for one, other in zip(trials, alone + alone, strict=True):
        assert one.final is None or close(one.final | {"x": 0.0}, other.final | {"x": 0.0}, tolerance=2e-2)


def test_a_member_that_is_not_a_number_leaves_the_others_alone():
    def after(broken):
        trials = trials_on("cuda")
        pack = started(trials)
        if broken:
            pack.state.flat_MW[1] = math.nan
        train_once(pack)
        return trials, pack.state.flat_MW[[0, 2, 3, 4]]

    (trials, beside), (_, healthy) = after(True), after(False)
    assert torch.equal(beside, healthy)
    assert trials[1].error.step == 1
    assert [trial.error for trial in trials if trial is not trials[1]] == [None] * 4


def test_an_interrupted_training_goes_on_up_to_rounding():
    kept, whole = Kept(at=[1], stop=True), Trial(train__steps=40, train__device="cuda")
    train_pack(Waiting([whole]))
    train_pack(Waiting([Trial(checkpoint=kept, train__steps=40, train__device="cuda")]))
    second = Trial(checkpoint=kept, train__steps=40, train__device="cuda")
    train_pack(Waiting([second]))
    assert kept.saved[1]["step"] == 16
    assert second.final["nll"] == pytest.approx(whole.final["nll"], rel=1e-3)


def test_a_pack_that_does_not_fit_is_halved_until_it_does():
    params = {"train.device": "cuda", "train.batch_size": 2048, "model.hidden": 256, "train.steps": 8}
    trials = [Trial(params | {"seed": seed}, Kept()) for seed in range(16)]
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 3e9) / total)
    try:
        slots = Waiting(trials)
        train_pack(slots)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert 8 <= len(slots.back) < 16
    assert all((trial.final is None) == (trial in slots.back) for trial in trials)


def test_a_compiled_step_is_the_step_up_to_rounding(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finals = []
    for compile in (True, False):
        trials = trials_on("cuda", train__compile=compile)
        train_pack(Waiting(trials))
        finals.append([trial.final["nll"] for trial in trials])
    assert finals[0] == pytest.approx(finals[1], rel=5e-3)
    assert (tmp_path / "sweeper" / "measured.json").exists()
