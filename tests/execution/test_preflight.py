"""What `run` would refuse, `plan` and `validate` refuse: exit code 2, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import QUADRATIC, Sweeper

RANDOM = QUADRATIC.replace("method: grid", "method: random\nbudget: {trials: 4}")
REFUSED = {
    "no trainer": (QUADRATIC.replace("trainer: quadratic:train\n", ""), "a trainer is needed"),
    "wrong signature": (QUADRATIC.replace("quadratic:train", "calls:main"), "cannot be called as function"),
    "no such program": (
        QUADRATIC.replace("quadratic:train", '{command: [no-such-program, "${args}"]}'),
        "trainer.command: no such program here",
    ),
    "no budget": (RANDOM.replace("budget: {trials: 4}\n", ""), "needs a budget"),
    "no budget, tpe": (RANDOM.replace("budget: {trials: 4}\n", "").replace("random", "tpe"), "needs a budget"),
    "GPUs": (QUADRATIC + "resources: {gpu: 2}\n", "more GPUs asked for"),
    "cores": (QUADRATIC + "resources: {cpu: 5000}\n", "more CPU cores"),
    "kind of value": (QUADRATIC + "base: {steps: abc}\n", "a number, as its default 3"),
    "kind of value in a search": (RANDOM.replace("random", "tpe").replace("4]", "abc]"), "a number, as its default"),
    "search": (
        RANDOM.replace("random", "cmaes")
        .replace("[1, 2, 3, 4]", "[a, b]")
        .replace("quadratic:train", "naughty:raises"),
        "cmaes searches ranges only",
    ),
    "memory": (
        "trainer: cvae\nbase: {train.batch_size: 65536, task.name: sort_trace, train.device: cpu}\n"
        "parameters: {model.latents: {values: [6, 64]}}\nmetric: {name: nll, goal: minimize}\n",
        "toy.yaml:2: train.batch_size: this training does not fit memory\n  found: about ",
    ),
    "claim": (
        RANDOM.replace("values: [1, 2, 3, 4]", "min: 0.0, max: 1.0")
        + "expect: [{name: up, metric: loss, monotone: {x: increasing}}]\n",
        "continuous parameter",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_run_would_refuse_plan_and_validate_refuse(case: str, folder: Path, sweeper: Sweeper) -> None:
    text, message = REFUSED[case]
    (folder / "toy.yaml").write_text(text)
    for words in (["plan", "toy.yaml"], ["validate", "toy.yaml"], ["run", "toy.yaml"]):
        said = sweeper(*words, CUDA_VISIBLE_DEVICES="0")
        assert said.code == 2, (words, said.err)
        assert message in said.err
    assert not (folder / "results").exists()


def test_a_refused_plan_is_still_printed(folder: Path, sweeper: Sweeper) -> None:
    (folder / "toy.yaml").write_text(REFUSED["no trainer"][0])
    said = sweeper("plan", "toy.yaml", "--json")
    assert (said.code, said.json()["trials"]) == (2, 4)


def test_a_cluster_may_have_the_gpus_that_this_machine_lacks(folder: Path, sweeper: Sweeper) -> None:
    (folder / "toy.yaml").write_text(REFUSED["GPUs"][0])
    assert sweeper("plan", "toy.yaml", RAY_ADDRESS="127.0.0.1:1").code == 0
