from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Sweeper
from runs import train


@pytest.fixture
def naughty(folder: Path) -> str:
    """A sweep of a good, a failed and a diverged trial; the key of the good one."""
    file = folder / "toy.yaml"
    file.write_text(
        "name: toy\ntrainer: naughty:by_name\nmetric: {name: score, goal: maximize}\nretry: {max: 0}\n"
        "parameters: {deed: {values: [good, raise, nan]}}\n"
    )
    return next(iter(train(file).records))


def test_status_counts_and_names_what_failed(naughty: str, sweeper: Sweeper) -> None:
    document = sweeper("status", "toy", "--json").json()
    assert document["counts"] == {"completed": 1, "failed": 1, "diverged": 1}
    assert {failure["name"] for failure in document["failures"]} == {"deed=raise seed=0", "deed=nan seed=0"}
    text = sweeper("status", "toy").out
    assert "3/3" in text
    assert "score is nan at step 2" in text


def test_follow_ends_when_nobody_runs_the_sweep(naughty: str, sweeper: Sweeper) -> None:
    assert sweeper("status", "toy", "--follow", timeout_s=30).code == 0


def test_show_has_settings_metrics_provenance_and_the_way_to_run_it_again(naughty: str, sweeper: Sweeper) -> None:
    said = sweeper("show", "toy", naughty[:6])
    assert said.code == 0, said.err
    for word in ("completed", "deed", "good", "score", "0.6", "code", "abc"):
        assert word in said.out
    command = said.out.strip().splitlines()[-1].removeprefix("again, alone: ")
    again = sweeper(*command.split()[1:-2], "deed=good", "seeds=[0]")
    assert again.code == 0, again.err
    assert "score 0.6" in again.err


def test_show_has_the_end_of_the_log_of_a_failure(naughty: str, sweeper: Sweeper) -> None:
    (failure,) = [f for f in sweeper("status", "toy", "--json").json()["failures"] if f["state"] == "failed"]
    assert "ValueError: bad luck" in sweeper("show", "toy", failure["trial"]).out
