"""Files that a trainer reads by its settings: part of the key, checked when planned."""

from pathlib import Path

import pytest

import sweeper
from sweeper.analysis.claims.outlook import outlooks
from sweeper.cvae import config
from sweeper.errors import SpecError, UsageError
from sweeper.planning import plan
from sweeper.planning.sweep_trainer import find_trainer
from sweeper.reporting.figures.context import FigureContext
from sweeper.reporting.report.page import render
from sweeper.reporting.tables import tables
from sweeper.spec.load import load_spec

TEXT = """trainer: cvae
base: {task.name: file, task.path: data.jsonl}
metric: {name: METRIC, goal: maximize}
parameters: {loss.beta: {values: [0, 1]}}
"""
ROWS = "".join(f'{{"prompt": "{i} a", "target": "b {i}", "strategy": "s"}}\n' for i in range(60))


def keys(folder: Path, metric: str = "alignment") -> list[str]:
    (folder / "sweep.yaml").write_text(TEXT.replace("METRIC", metric))
    sweep = load_spec(folder / "sweep.yaml")
    trainer = find_trainer(sweep, folder / "results", needed=True)
    return [trial.key for trial in plan.make(sweep, trainer, folder / "results").to_run]


def test_other_data_are_another_trial_and_the_same_data_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data.jsonl").write_text(ROWS)
    before = keys(tmp_path)
    assert keys(tmp_path) == before
    (tmp_path / "data.jsonl").write_text(ROWS.replace("b 7", "c 7"))
    assert set(keys(tmp_path)).isdisjoint(before)
    (tmp_path / "data.jsonl").write_text(ROWS)
    assert keys(tmp_path) == before


@pytest.mark.parametrize(
    ("rows", "metric", "message"),
    [
        (ROWS.replace(', "strategy": "s"', ""), "alignment", "the data have no column strategy"),
        (ROWS.replace(', "strategy": "s"', ""), "test/alignment", "the data have no column strategy"),
        (ROWS, "valid_rate", "only whole targets are known"),
        (ROWS + "oops\n", "alignment", "line 61: not JSON"),
    ],
)
def test_what_the_data_do_not_give_is_refused_with_the_reason(rows, metric, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data.jsonl").write_text(rows)
    with pytest.raises(SpecError, match=message) as caught:
        keys(tmp_path, metric)
    assert len(caught.value.problems) == 1  # nothing that only follows from it


def test_a_condition_to_stop_that_nothing_reports_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data.jsonl").write_text(ROWS.replace(', "strategy": "s"', ""))
    file = {"task.name": "file", "task.path": "data.jsonl"}
    found = config.check(file | {"train.stop_when": "nll <= 1 and alignment >= 0.9"})
    assert [(one.key, one.allowed) for one in found] == [
        ("train.stop_when", "metrics that are reported, not alignment: the data have no column strategy")
    ]
    assert config.check(file | {"train.stop_when": "nll <= 1"}) == []


def test_without_strategies_everything_gives_the_reason_why_there_is_no_alignment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data.jsonl").write_text(ROWS.replace(', "strategy": "s"', ""))
    (tmp_path / "sweep.yaml").write_text(TEXT.replace("METRIC", "nll"))
    small = ["train.steps=2", "model.width=16", "model.hidden=16", "train.batch_size=4", "train.test_prompts=4"]
    made = sweeper.make_plan(load_spec(tmp_path / "sweep.yaml", small), tmp_path / "results")
    assert [one.hint for one in made.warnings if one.key == "alignment"] == ["the data have no column strategy"]
    sweeper.run(made, tmp_path / "results", runner="inprocess")
    results = sweeper.load_results(tmp_path / "results" / "sweep")
    assert "alignment" not in results.trials
    assert "alignment_nmi, " in render(results)
    assert "(the data have no column strategy)" in render(results)
    assert not any("/" in name for name in results.absent)  # 60 diagnostics would be a line of their own on every page
    with pytest.raises(UsageError, match="the data have no column strategy"):
        FigureContext(results, (("alignment", None),)).check_metrics()
    for name, frame in (("alignment", results.trials), ("alignment.mean", results.configs)):
        with pytest.raises(UsageError, match=r" more\n  hint: the data have no column strategy"):
            tables.select(frame, [name], (), results.absent)
    with pytest.raises(UsageError, match="the data have no column strategy"):
        tables.filtered(results.trials, "nll < 9 and alignment > 0.5", results.absent)


def test_the_sweep_file_of_the_page_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "sweeper" / "cvae" / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "traces.jsonl").write_text(ROWS)
    (tmp_path / "page.yaml").write_text(page.partition("## Your own data")[2].split("```yaml\n")[1].partition("```")[0])
    small = ["train.steps=2", "model.width=16", "model.hidden=16", "train.batch_size=4", "train.test_prompts=4"]
    whole, one_seed = (
        sweeper.make_plan(load_spec(tmp_path / "page.yaml", settings), tmp_path / "results")
        for settings in (small, [*small, "seeds=1"])
    )
    assert [claim.decidable for claim in outlooks(whole, tmp_path / "results")] == [True]
    sweeper.run(one_seed, tmp_path / "results", runner="inprocess")
    states = sweeper.load_results(tmp_path / "results" / "page").trials["state"]
    assert list(states) == ["completed"] * 4
