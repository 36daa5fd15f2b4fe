"""A compiled loss: used where it pays, and never a reason to fail."""

from dataclasses import replace

import pytest
import torch

from sweeper.cvae.config import build, shape
from sweeper.cvae.objective import step_loss
from sweeper.cvae.training import cache, compiled
from sweeper.cvae.training.compiled import loss_for
from sweeper.cvae.training.pack import train_pack
from sweeper.cvae.training.program import Program
from tests.cvae.training.packs import SMALL, Trial, Waiting, same


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    return tmp_path


def trained(**changes):
    trial = Trial(**changes)
    train_pack(Waiting([trial]))
    return trial.final


def test_by_itself_it_is_not_compiled_on_a_cpu():
    config = build(SMALL | {"train.steps": 1_000_000, "train.device": "cpu"})
    assert loss_for(Program.of(config), config, "", 4) is step_loss


def test_without_a_compiler_one_line_says_so_and_the_numbers_are_the_same(monkeypatch, capsys):
    def fails(*given, **options):
        raise RuntimeError("no compiler found\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda function, **options: fails)
    assert same(trained(train__compile=True), trained())
    assert capsys.readouterr().err == "train.compile: not compiled, RuntimeError: no compiler found\n"


def test_what_was_compiled_is_used_and_remembered(monkeypatch):
    calls = []

    def counting(function, **options):
        def counted(*given):
            calls.append(1)
            return function(*given)

        return counted

    monkeypatch.setattr(torch, "compile", counting)
    assert same(trained(train__compile=True), trained())
    assert len(calls) == 6
    params = SMALL | {"train.compile": True}
    key = cache.key_of(Program.of(build(params)), "compiled for", 1, shape(params))
    assert cache.remembered(key) == 1


def test_on_a_gpu_long_trainings_are_compiled_and_shorter_ones_from_the_disk():
    program = Program.of(build(SMALL))
    on_gpu = replace(program, device=torch.device("cuda"))

    long, short = build({"train.steps": 10_000}), build({"train.steps": 5_000})
    assert compiled._pays(on_gpu, long, warm=False)
    assert not compiled._pays(on_gpu, short, warm=False)
    assert compiled._pays(on_gpu, short, warm=True)
    assert not compiled._pays(on_gpu, build({"train.compile": False, "train.steps": 10_000}), warm=True)
    assert not compiled._pays(program, long, warm=True)
