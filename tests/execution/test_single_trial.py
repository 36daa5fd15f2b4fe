from __future__ import annotations

from pathlib import Path

from tests.conftest import Sweeper

TINY = """\
name: tiny
trainer: cvae
base: {train.steps: 12, train.report_every: 4, train.test_prompts: 32, model.width: 16, model.heads: 2}
parameters: {loss.inter_latent_divergence_weight: {values: [0, 1]}}
checkpoints: {keep: last}
"""


def test_one_trial_is_trained_here_and_nothing_is_recorded(folder: Path, sweeper: Sweeper) -> None:
    (folder / "tiny.yaml").write_text(TINY)
    said = sweeper("train", "tiny.yaml", "loss.inter_latent_divergence_weight=1")
    assert said.code == 0, said.err
    assert [line.split()[1] for line in said.err.splitlines() if line.startswith("step ")] == ["4", "8", "12"]
    assert "confusion" in said.err
    assert said.err.splitlines()[-1].startswith("completed")
    assert [path.name for path in folder.iterdir()] == ["tiny.yaml"]


def test_a_failing_trainer_is_exit_code_4_with_its_reason(toy: Path, sweeper: Sweeper) -> None:
    said = sweeper("train", toy, "trainer=naughty:raises", "metric.name=score")
    assert said.code == 4
    assert "ValueError: bad luck" in said.err


def test_ctrl_c_is_no_failure_of_the_trial(toy: Path, sweeper: Sweeper) -> None:
    said = sweeper("train", toy, "trainer=leaky:leaves", "metric.name=score", "deed=interrupt")
    assert (said.code, "failed" in said.err) == (130, False)


def test_the_debugger_opens_where_the_trainer_raises(toy: Path, sweeper: Sweeper) -> None:
    said = sweeper("train", toy, "trainer=naughty:raises", "metric.name=score", "--pdb")
    assert "(Pdb)" in said.out
    assert "raise ValueError" in said.out
