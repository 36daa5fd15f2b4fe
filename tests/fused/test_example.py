"""The example of sweeper/README.md: a file of one's own, swept in packs, on Ray as a user runs it and alone."""

from __future__ import annotations

import importlib
import shutil
from collections import Counter
from pathlib import Path

import pytest

import sweeper as api
from sweeper.execution.preflight import refusals
from sweeper.execution.worker import pack
from sweeper.execution.worker.job import Job
from sweeper.trial import Ended, Started, State
from tests.conftest import TRAINERS, Sweeper
from tests.execution.drivers import Notebook
from tests.execution.runs import train

WORDS = ("steps=30", "report_every=10", "seeds=2", "resources.pack=4")


@pytest.fixture
def example(folder: Path) -> Path:
    for name in ("beta_vae.py", "beta_vae.yaml"):
        shutil.copy(TRAINERS / name, folder)
    return folder


@pytest.mark.ray
def test_a_file_of_ones_own_is_swept_in_packs_on_ray(example: Path, sweeper: Sweeper) -> None:
    done = sweeper("run", "beta_vae.yaml", *WORDS, "--json")
    assert done.code == 0, done.err
    trials = api.load_results("results/beta_vae").trials
    assert list(trials["state"]) == ["completed"] * 16
    assert trials["off_ring"].between(0, 2).all()
    logs = [path.read_text() for path in Path("results/beta_vae/trials").glob("*/log.txt")]
    assert sum("trained in a pack" in log for log in logs) >= 11
    row = trials[(trials["beta"] == 0.1) & (trials["lr"] == 0.01) & (trials["seed"] == 1)].iloc[0]
    alone = importlib.import_module("beta_vae").train({"steps": 30, "report_every": 10, "seed": 1}, lambda *_: None)
    assert alone == pytest.approx({name: row[name] for name in alone}, abs=1e-5)


def jobs(folder: Path) -> list[Job]:
    settings = {"steps": 40, "report_every": 10, "dropout": 0.1}
    return [
        Job(f"key{seed}", 1, "beta_vae:train", {**settings, "seed": seed}, ("off_ring",), folder / f"key{seed}")
        for seed in range(3)
    ]


def finals(driver: Notebook) -> dict[str, dict[str, float]]:
    return {event.trial: dict(event.metrics) for event in driver.events if isinstance(event, Ended)}


def test_a_stopped_pack_goes_on_from_its_files_and_ends_with_the_same_bits(example: Path) -> None:
    whole, stopped, resumed = Notebook(), Notebook(stops=lambda count: count >= 8), Notebook()
    pack.run(jobs(example / "whole"), whole, 3)
    pack.run(jobs(example / "parts"), stopped, 3)
    assert finals(stopped) == {}
    pack.run(jobs(example / "parts"), resumed, 3)
    started = [event.step for event in resumed.events if isinstance(event, Started)]
    assert min(started) >= 10
    assert finals(resumed) == finals(whole)


def test_members_of_a_pack_are_pruned_one_by_one(example: Path) -> None:
    rule = "early_terminate={type: asha, min_steps: 10, eta: 2}"
    session = train(Path("beta_vae.yaml"), rule, *WORDS)
    states = Counter(record.state for record in session.records.values())
    assert set(states) == {State.PRUNED, State.COMPLETED}
    for record in session.records.values():
        assert record.ended is not None
        assert record.ended.steps == 30 or record.state is State.PRUNED


def test_a_model_that_cannot_be_fused_is_refused_before_anything_starts(example: Path) -> None:
    code = (
        Path("beta_vae.py")
        .read_text()
        .replace("    z = mean", "    if mean.sum() > 0:\n        mean = -mean\n    z = mean")
    )
    Path("branching.py").write_text(code)
    plan = api.make_plan(api.load_spec("beta_vae.yaml", ["trainer=branching:train"]))
    with pytest.raises(api.SweeperError) as refused:
        api.run(plan)
    assert "trainer: the loss cannot be fused: it works for one trial and not for a pack" in str(refused.value)
    assert "(branching.py:31); an `if` on a tensor: use torch.where or a mask" in str(refused.value)
    assert not Path("results").exists()
    assert (
        refusals(api.make_plan(api.load_spec("beta_vae.yaml", ["trainer=branching:train", "resources.pack=1"])), "")
        == []
    )


def test_a_model_that_cannot_be_fused_fails_once_with_the_name_of_its_module(example: Path) -> None:
    code = Path("beta_vae.py").read_text().replace("nn.Tanh(), nn.Dropout(dropout)", "nn.BatchNorm1d(width)")
    Path("normed_vae.py").write_text(code)
    session = train(Path("beta_vae.yaml"), "trainer=normed_vae:train", *WORDS)
    ended = [record.ended for record in session.records.values() if record.ended]
    assert {(end.state, end.attempt) for end in ended} == {(State.FAILED, 1)}
    assert all("module 'encoder.1' cannot be fused: BatchNorm1d updates running" in end.reason for end in ended)
