from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from sweeper.cli.terminal.progress import Screen
from sweeper.errors import LedgerError
from sweeper.execution import run
from sweeper.execution.options import Options, Runner
from sweeper.planning import plan
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from tests.conftest import QUADRATIC, Sweeper
from tests.execution.runs import train


def test_in_process_a_run_trains_mirrors_and_does_nothing_the_second_time(toy: Path, sweeper: Sweeper) -> None:
    first = sweeper("run", toy, "--runner", "inprocess", "--json", "--quiet")
    assert first.code == 0, first.err
    assert (first.json()["trained"], first.json()["mlflow"]["runs"]) == (4, 4)
    second = sweeper("run", toy, "--runner", "inprocess", "--json", "--quiet")
    assert (second.code, second.json()["trained"], second.json()["states"]) == (0, 0, {"completed": 4})
    assert "nothing to train" in sweeper("run", toy).err


def test_mlflow_that_is_behind_is_completed_by_the_next_run_and_by_sync(toy: Path, sweeper: Sweeper) -> None:
    train(toy)
    said = sweeper("sync", "toy")
    assert (said.code, "MLflow has 4 of 4 trials" in said.err) == (0, True)
    Path("results/mlflow.db").unlink()
    assert sweeper("run", toy, "--json", "--quiet").json()["mlflow"] == {
        "runs": 4,
        "behind": 0,
        "overviews_behind": 0,
        "error": "",
    }
    assert Path("results/mlflow.db").exists()


def test_a_tracker_that_is_down_costs_nothing_but_the_mirror(toy: Path, sweeper: Sweeper) -> None:
    said = sweeper("run", toy, "--runner", "inprocess", "tracking.uri=http://127.0.0.1:9", "--quiet")
    assert said.code == 0
    assert "MLflow lacks 4 trials" in said.err  # also with --quiet: something is left to do
    assert said.err.splitlines()[-1] == "  complete it with: sweeper sync toy"
    assert sweeper("export", "toy").out.count("completed") == 4


def test_a_plan_that_was_overtaken_is_refused(toy: Path) -> None:
    sweep, found = load_spec(toy), trainer.find("quadratic:train")
    made = plan.make(sweep, found, Path("results"))
    train(toy)
    options = Options(Path("results"), Runner.INPROCESS, None, None)
    with pytest.raises(LedgerError, match="another run wrote to it"):
        run.run(made, found, options, Screen(Console(quiet=True), 4, ["loss"]))


def test_without_a_gpu_share_a_trial_sees_no_gpu(folder: Path, sweeper: Sweeper) -> None:
    (folder / "looks.py").write_text(
        "import os\n\n\ndef train(params, report):\n"
        "    report(1, {'loss': float(os.environ.get('CUDA_VISIBLE_DEVICES') == '')})\n"
    )
    text = QUADRATIC.replace("quadratic:train", "looks:train") + "resources: {gpu: 0}\n"
    (folder / "toy.yaml").write_text(text)
    said = sweeper("run", "toy.yaml", "--runner", "inprocess", CUDA_VISIBLE_DEVICES="0")
    assert said.code == 0, said.err
    assert "1.0" in sweeper("export", "toy", "--columns", "loss").out
