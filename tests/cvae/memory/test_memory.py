"""The estimate of memory: it knows the sizes of tasks and networks; what does not fit is refused before training."""

import json
import os

import psutil
import pytest

from sweeper.cvae.config import build
from sweeper.cvae.evaluation import evaluate
from sweeper.cvae.memory import available, check, estimate
from sweeper.cvae.memory import task_sizes as module
from sweeper.cvae.memory.check import most_members, refused, shortage
from sweeper.cvae.memory.estimate import estimate_memory, parameter_counts
from sweeper.cvae.memory.task_sizes import task_sizes
from sweeper.cvae.networks.model import SharedDiscreteCVAE, Sizes
from sweeper.cvae.tasks import make_task
from sweeper.cvae.training import baseline, batches, pack_size
from sweeper.cvae.training.pack import train_pack
from tests.cvae.training.packs import SMALL, Trial, Waiting

TASKS = [
    {},
    {"task.operators": 2, "task.modulus": 5, "task.strategies": 1},
    {"task.nuisance_tokens": 2},
    {"task.name": "detour", "task.modulus": 5},
    {"task.name": "detour", "task.reveal": "implicit"},
    {"task.name": "ordered_sum", "task.length": 4, "task.mixture": "all"},
    {"task.name": "ordered_sum", "task.length": 4, "task.emit": "value", "task.mixture": "mixed"},
    {"task.name": "sort_trace", "task.longest": 6},
]
NETWORKS = [
    {},
    {"model.prior": "conditional", "model.depth": 3, "model.width": 32, "model.heads": 2},
    {"model.prior": "learned", "model.router": "bayes", "model.baseline_depth": 2},
    {"loss.token_weighting": "lookahead", "model.router_depth": 2, "model.hidden": 48},
]


@pytest.mark.parametrize("params", TASKS, ids=str)
def test_the_sizes_of_a_task_are_known_without_making_it(params):
    config, task = build(params).task, make_task(build(params).task)
    sizes = task_sizes(config)
    assert sizes[:4] == Sizes.of(task)[:4]
    evaluated = task.split(65_536).reported_N
    assert len(evaluated) <= sizes.prompts <= 1.6 * len(evaluated) + 60
    assert len(task.examples(evaluated[:3]).strategy_B) == 3 * sizes.examples_per_prompt


@pytest.mark.parametrize("params", TASKS, ids=str)
def test_a_task_without_sizes_of_its_own_here_is_made_to_find_them(params, monkeypatch):
    """A task of one's own is three files: it may be missing here."""
    config = build(params).task
    written = task_sizes(config)
    monkeypatch.delitem(module._SIZES, config.name)
    found = task_sizes(config)
    assert (found[:4], found.examples_per_prompt) == (written[:4], written.examples_per_prompt)
    assert found.prompts <= written.prompts <= 1.6 * found.prompts + 60


def test_the_sizes_of_files_are_those_of_their_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = [{"prompt": f"{i % 50} a b"[: 4 + i % 3], "target": " ".join("xyz"[: 1 + i % 3])} for i in range(150)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = build({"task.name": "file", "task.path": str(tmp_path / "data.jsonl")}).task
    sizes = task_sizes(config)
    task = make_task(config)
    assert sizes[:4] == Sizes.of(task)[:4]
    assert sizes.prompts == len(task.split(1000).reported_N)
    assert 1 < sizes.examples_per_prompt <= 3


@pytest.mark.parametrize("params", NETWORKS, ids=str)
def test_parameters_are_counted_as_the_networks_have_them(params):
    config = build(params)
    uses_lookahead = config.loss.token_weighting == "lookahead"
    model = SharedDiscreteCVAE(Sizes.of(make_task(config.task)), config.model, uses_lookahead)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert parameter_counts(config, task_sizes(config.task)) == {name: count for name, count in counts.items() if count}


def test_the_estimate_counts_with_the_sizes_that_the_trainer_has():
    assert evaluate.CHUNK == estimate.SCORED
    assert baseline.TOGETHER == estimate.BASELINES
    assert (baseline.KEPT_BYTES, batches.EXAMPLES) == (estimate.KEPT_NLL, estimate.CHUNK)


def test_memory_grows_with_the_logits_and_with_the_pack():
    def total(members=1, **changes):
        return estimate_memory(build({"train.test_prompts": 1} | changes), members).total

    assert 1.9 < total(**{"train.batch_size": 16384}) / total(**{"train.batch_size": 8192}) <= 2.05
    assert 3 < total(4, **{"train.batch_size": 8192}) / total(**{"train.batch_size": 8192}) <= 4.05


def test_what_does_not_fit_names_a_setting_what_is_needed_what_there_is_and_what_would_fit():
    config = build({"train.batch_size": 65536, "model.latents": 64})
    found = shortage(config, 1, 2e9, "cpu")
    assert found is not None
    assert found.key == "train.batch_size"
    assert "for a trial with K 64, T 7, V 12 (a step of 65536 examples " in found.found
    assert found.allowed == "at most the 2 GB available on this machine"
    setting, _, needed = found.hint.partition(" needs about ")
    name, _, value = setting.partition(": ")
    assert name == "train.gradient_accumulation_steps"
    fitting = build({name: int(value), "train.batch_size": 65536, "model.latents": 64})
    assert shortage(fitting, 1, 2e9, "cpu") is None
    assert float(needed.removesuffix(" GB")) <= 2


def test_a_pack_that_does_not_fit_is_told_the_largest_that_does():
    config, one = build({}), estimate_memory(build({})).total
    found = shortage(config, 64, 4 * one, "cpu")
    assert found is not None
    fits = int(found.hint.removeprefix("resources.pack: ").partition(" ")[0])
    assert estimate_memory(config, fits).total <= 4 * one < estimate_memory(config, fits + 2).total


def test_packs_that_fit_alone_and_not_together_are_told_how_many_do():
    one = estimate_memory(build({})).total
    found = shortage(build({}), 1, 2.5 * one, "cpu", at_once=4)
    assert found is not None
    assert (found.key, found.hint) == ("resources.max_concurrent", "resources.max_concurrent: 2")


def test_the_trial_that_needs_most_is_the_one_that_is_named(monkeypatch):
    monkeypatch.setattr(check, "cpu_bytes", lambda: 1e9)
    trials = [{"train.batch_size": size, "seed": 0, "train.test_prompts": 1} for size in (128, 65536, 32768)]
    found = refused(trials, None, 0.0, 1)
    assert found is not None
    assert "a step of 65536" in found.found
    assert refused(trials[:1], None, 0.0, 1) is None
    monkeypatch.setattr(check, "cpu_bytes", lambda: None)
    assert refused(trials, None, 0.0, 1) is None


def test_a_trial_that_does_not_fit_fails_before_its_first_step_and_a_pack_takes_as_many_as_do(monkeypatch):
    config = build(SMALL)
    monkeypatch.setattr(pack_size, "cpu_bytes", lambda: estimate_memory(config, 2).total)
    trials = [Trial(seed=seed, train__steps=1) for seed in range(4)]
    slots = Waiting(trials)
    train_pack(slots)
    assert all(trial.final for trial in trials)
    assert max(slots.sizes[1:]) <= 2
    monkeypatch.setattr(pack_size, "cpu_bytes", lambda: 1e3)
    trial = Trial()
    train_pack(Waiting([trial]))
    assert "allowed: at most the 1e-06 GB available" in str(trial.error)


def test_as_many_members_as_fit():
    config, total = build({}), estimate_memory(build({}), 10).total
    assert most_members(config, total, "cpu", 64) == 10
    assert most_members(config, total, "cpu", 4) == 4


def test_free_memory_is_what_psutil_says_unless_a_container_has_less(monkeypatch, tmp_path):
    monkeypatch.setattr(available, "CONTROL_GROUPS", ())
    assert available.cpu_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    files = [tmp_path / name for name in ("max", "current", "stat")]
    for file, text in zip(files, ("3000000\n", "2500000\n", "inactive_file 500000\nfile 7\n"), strict=True):
        file.write_text(text)
    monkeypatch.setattr(available, "CONTROL_GROUPS", [tuple(map(str, files))])
    assert available.cpu_bytes() == 1e6
    files[0].write_text("max\n")
    unlimited = available.cpu_bytes()
    assert unlimited is not None
    assert unlimited > 1e6


def test_a_gpus_free_memory_is_what_its_program_prints(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "$@" > "$0.asked"; echo 100; echo 300\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert available.gpu_bytes() == 300 * 2**20
    assert "--id=0,1" in (tmp_path / "nvidia-smi.asked").read_text()
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available.gpu_bytes() is None
