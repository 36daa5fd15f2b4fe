from __future__ import annotations

import io
import json
import re
from pathlib import Path

import optuna
import pandas as pd
import pytest
from typer.testing import CliRunner

from sweeper.cli.app import app
from sweeper.errors import UsageError
from tests.conftest import Sweeper
from tests.execution import runs
from tests.execution.runs import train

NOISY = """\
name: noisy
trainer: noisy:train
metric: {name: score, goal: maximize}
base: {gain: 1.0, spread: 0.1, diverging: [2]}
parameters:
  a: {values: [0, 1, 2]}
  b: {values: [0, 1]}
seeds: 3
"""


@pytest.fixture
def noisy(folder: Path) -> Path:
    """A finished sweep in `results`, some trials of it diverged."""
    (folder / "noisy.yaml").write_text(NOISY)
    train(Path("noisy.yaml"))
    return folder


def export(*words: str) -> str:
    """What `sweeper export noisy` prints."""
    done = CliRunner().invoke(app, ["export", "noisy", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "latex", "html"])
@pytest.mark.parametrize("level", [["--level=trial"], ["--level=config"], ["--level=curve"], ["--pivot=a,b,score"]])
def test_every_form_of_every_level_is_the_same_bytes_each_time(noisy: Path, form: str, level: list[str]) -> None:
    first = export("--format", form, *level)
    assert len(first) > 100
    assert first == export("--format", form, *level)


def test_parquet_is_the_same_bytes_each_time(noisy: Path) -> None:
    for name in ("one", "two"):
        export("--format", "parquet", "--level", "config", "--output", name)
    assert Path("one").read_bytes() == Path("two").read_bytes()
    assert list(pd.read_parquet("one")["score.n"]) == [3, 2, 3, 2, 3, 2]


def test_the_hash_is_of_the_sweep_not_of_the_table(noisy: Path) -> None:
    sources = {json.loads(export("--format", "json", "--level", level))["source"] for level in ("trial", "config")}
    assert len(sources) == 1


def test_rows_are_chosen_by_settings_and_results_alike(noisy: Path) -> None:
    table = pd.read_csv(io.StringIO(export("--where", "a >= 1 and b == 0", "--columns", "a,b,state")))
    assert table.a.tolist() == [1] * 3 + [2] * 3
    assert len(export("--where", "state == 'diverged'").splitlines()) == 4
    assert len(export("--level", "config", "--where", "`score.mean` > 1.5").splitlines()) == 4


def test_a_metric_by_its_bare_name_is_one_cell_for_people_and_all_its_parts_for_programs(noisy: Path) -> None:
    words = ("--level", "config", "--columns", "a,b,score", "--sort", "-score.mean")
    lines = export(*words, "--format", "markdown").splitlines()
    assert lines[2] == "| a | b | score ↑ |"
    assert re.fullmatch(r"\| 2 \| 1 \| \*\*[0-9.]+ ± [0-9.]+ \(n = 2\)\*\* \|", lines[4])
    table = pd.read_csv(io.StringIO(export(*words)))
    assert list(table.columns[:4]) == ["a", "b", "score.mean", "score.std"]
    assert "{[}" in export(*words, "--format", "latex", "--spread", "ci")


def test_what_a_parameter_does_is_a_level_of_its_own(noisy: Path) -> None:
    table = pd.read_csv(io.StringIO(export("--level", "effect")))
    assert list(table.parameter) == ["a", "a", "a", "b"]
    assert table.gain.iloc[3] == pytest.approx(1, abs=0.5)
    assert (table.lost > 0).all()


def test_a_bootstrap_interval_lies_within_the_values(noisy: Path) -> None:
    options = ("--level", "config", "--interval", "bootstrap", "--columns", "score.ci_low,score.ci_high")
    ends = pd.read_csv(io.StringIO(export(*options)))
    plain = pd.read_csv(io.StringIO(export(*options[:2], *options[4:])))
    assert (ends["score.ci_low"] > plain["score.ci_low"]).all()
    assert (ends["score.ci_high"] < plain["score.ci_high"]).all()


def test_the_best_of_a_row_follows_the_goal_or_what_is_asked(noisy: Path) -> None:
    assert "score ↑" in export("--format", "markdown", "--pivot", "a,b,score")
    assert "score ↓" in export("--format", "markdown", "--pivot", "a,b,score", "--minimize", "--spread", "ci")
    assert "1 diverged" in export("--format", "markdown", "--pivot", "a,b,score")


@pytest.mark.parametrize(
    ("name", "start"),
    [("t.json", "{"), ("t.md", "| sweep"), ("t.tex", "% sweeper"), ("t.HTML", "<!DOCTYPE"), ("t.parquet", "PAR1"),
     ("t.csv", "sweep,"), ("t.txt", "sweep,"), ("t", "sweep,")],
)  # fmt: skip
def test_the_ending_of_the_file_names_the_form_unless_a_form_is_given(noisy: Path, name: str, start: str) -> None:
    export("--output", name)
    assert Path(name).read_bytes().startswith(start.encode())
    export("--output", name, "--format", "csv")
    assert Path(name).read_bytes().startswith(b"sweep,")


def test_an_optuna_study_can_be_opened_by_optuna(noisy: Path, sweeper: Sweeper) -> None:
    said = sweeper("export", "noisy", "--format", "optuna", "--output", "study.db")
    assert said.code == 0, said.err
    assert len(optuna.load_study(study_name=None, storage="sqlite:///study.db").trials) > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "parquet"], "add --output FILE"),
        (["--format", "optuna"], "add --output FILE"),
        (["--output", "table.xlsx"], r"write \.csv"),
        (["--where", "a >"], "expression ends"),
        (["--where", "alpha > 1"], "no such column"),
        (["--pivot", "a,score"], "ROW,COL,METRIC"),
        (["--pivot", "a,b,skore"], "did you mean score"),
        (["--columns", "x"], "no such column"),
    ],
)
def test_what_cannot_be_exported_is_reported(noisy: Path, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(*words)


def test_configurations_have_their_rank_where_the_sweep_has_a_goal(noisy: Path) -> None:
    frame = pd.read_csv(io.StringIO(export("--level", "config", "--sort", "rank")))
    assert list(frame["rank"]) == [1, 2, 3, 4, 5, 6]
    assert frame["score.mean"][0] == frame["score.mean"].max()
    (noisy / "noisy.yaml").write_text(NOISY + 'constraints: ["score < 1.5"]\n')
    with runs.opened(noisy / "noisy.yaml", "a=0,1,2,3") as (session, _):
        assert session.queue, "a is not 3 yet"
    rows = json.loads(export("--level", "config", "--format", "json", "--sort", "rank"))["rows"]
    assert rows[0]["score.mean"] < 1.5
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6, None, None]
