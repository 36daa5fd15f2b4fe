from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import CommandResult, Sweeper
from tests.execution.runs import train
from tests.execution.test_single_trial import TINY


@pytest.fixture
def trained(folder: Path) -> str:
    """The key of a trained trial whose model was kept."""
    (folder / "tiny.yaml").write_text(TINY)
    return next(iter(train(folder / "tiny.yaml").records))


def test_each_latent_writes_a_trace_that_is_judged(trained: str, sweeper: Sweeper) -> None:
    said = sweeper("sample", "tiny", trained[:8], "--prompts", 2)
    assert said.code == 0, said.err
    assert said.out.count("prompt") == 2
    assert [line.split()[0] for line in said.out.splitlines() if line[:1].isdigit()] == [*"012345"] * 2


def test_latents_are_chosen(trained: str, sweeper: Sweeper) -> None:
    lines = sweeper("sample", "tiny", trained, "--z", "1,4", "--prompts", 1).out.splitlines()
    assert [line[0] for line in lines if line[:1].isdigit()] == ["1", "4"]


@pytest.mark.parametrize(
    ("words", "message"),
    [(["zzz"], "no such trial"), (["{key}", "--z", "9"], "0 to 5"), (["{key}", "--z", "x"], "0,2")],
)
def test_what_is_not_there_is_refused(trained: str, sweeper: Sweeper, words: list[str], message: str) -> None:
    said: CommandResult = sweeper("sample", "tiny", *(word.format(key=trained) for word in words))
    assert (said.code, message in said.err) == (2, True)


def test_without_a_kept_model_it_says_how_to_keep_one(folder: Path, sweeper: Sweeper) -> None:
    (folder / "tiny.yaml").write_text(TINY.replace("keep: last", "keep: none"))
    key = next(iter(train(folder / "tiny.yaml").records))
    assert not list(folder.rglob("*.safetensors"))
    assert "checkpoints.keep=last" in sweeper("sample", "tiny", key).err
