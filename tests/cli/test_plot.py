from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Sweeper
from tests.execution.runs import train


@pytest.fixture
def trained(toy: Path) -> str:
    toy.write_text(
        toy.read_text().replace("x: {values: [1, 2, 3, 4]}", "x: {values: [1, 2]}\n  target: {values: [0, 3]}")
    )
    train(toy.resolve())
    return "toy"


def test_plot_writes_what_makes_sense_and_says_what_does_not(trained: str, sweeper: Sweeper) -> None:
    said = sweeper("plot", trained, "--format", "svg", "--metric", "loss")
    assert said.code == 0, said.err
    names = {Path(line).name for line in said.out.splitlines()}
    kinds = ("heatmap-loss", "seeds-loss", "slice-loss", "curves-loss", "history-loss", "edf-loss", "importance-loss")
    assert names == {f"{kind}.svg" for kind in (*kinds, "parallel", "timeline")}
    assert all(Path(line).read_text().startswith("<?xml") for line in said.out.splitlines())
    assert [line.split()[0] for line in said.err.splitlines()] == ["contour", "seed-curves", "pareto"]


def test_a_named_kind_that_makes_no_sense_is_an_error_with_a_hint(trained: str, sweeper: Sweeper) -> None:
    said = sweeper("plot", trained, "pareto", "--json")
    assert said.code == 2
    assert "hint:" in said.err
    assert said.json() == {
        "schema_version": 1,
        "sweep": "toy",
        "files": [],
        "left_out": {"pareto": "needs two metrics: the sweep has one goal; --metric A --metric B:minimize names two"},
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "heatmp"], "did you mean heatmap"),
        (["toy", "--format", "eps"], "no such form"),
    ],
)
def test_wrong_usage_is_reported(words: list[str], message: str, trained: str, sweeper: Sweeper) -> None:
    said = sweeper("plot", *words)
    assert (said.code, "Traceback" in said.err) == (2, False)
    assert message in said.err


def test_a_folder_that_cannot_be_written_is_reported(trained: str, sweeper: Sweeper, folder: Path) -> None:
    (folder / "taken").write_text("")
    said = sweeper("plot", trained, "slice", "--output", "taken")
    assert said.code == 2
    assert "cannot be written" in said.err
