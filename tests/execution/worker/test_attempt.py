from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from sweeper.analysis.sweep_results import load_results
from sweeper.execution import running_pack
from sweeper.execution.worker import attempt, single
from sweeper.execution.worker.job import Job, StopOrder
from sweeper.reporting.report.page import render
from sweeper.reporting.tables import tables
from sweeper.reporting.tables.tables import Format
from sweeper.trial import Cause, Ended, Event, Record, Reported, Started, State
from tests.execution import runs
from tests.execution.drivers import Notebook
from tests.records import make_trial


def run(function: str, tmp_path: Path, stop_at: int | None = None, **params: Any) -> list[Event]:
    driver = Notebook(cancels=lambda count: stop_at is not None and count >= stop_at)
    job = Job("key", 1, f"naughty:{function}", {"seed": 0, **params}, ("score",), tmp_path / "key", "abc")
    single.run(job, driver)
    return driver.events


def end(function: str, tmp_path: Path, **params: Any) -> Ended:
    last = run(function, tmp_path, **params)[-1]
    assert isinstance(last, Ended)
    return last


def test_a_trial_starts_reports_and_ends(tmp_path: Path) -> None:
    events = run("reports_once", tmp_path)
    assert [type(event) for event in events] == [Started, Reported, Reported, Ended]


def test_no_attempt_ends_before_it_began_where_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, MLflow showed a negative duration, and a trial whose worker was lost had trained for -3600 s."""
    times = iter(range(10_000, 0, -100))
    clock = SimpleNamespace(time=lambda: float(next(times)), perf_counter=time.perf_counter)
    for module in (attempt, running_pack):
        monkeypatch.setattr(module, "time", clock)
    started, *_, ended = run("reports_once", tmp_path)
    assert isinstance(ended, Ended)
    assert ended.at == ended.started_at == started.at
    record = Record(make_trial(x=1), started=started if isinstance(started, Started) else None)
    lost = running_pack.end_of(record, 1, StopOrder(State.FAILED, "the worker process died", Cause.LOST), "")
    assert (lost.wall_s, lost.at) == (0.0, started.at)


def test_without_a_return_value_the_last_value_of_each_metric_is_final(tmp_path: Path) -> None:
    ended = end("reports_once", tmp_path)
    assert (ended.state, ended.metrics, ended.steps) == (State.COMPLETED, {"score": 0.6, "rare": 7.0}, 2)


def test_a_report_may_name_its_arguments(tmp_path: Path) -> None:
    assert end("reports_by_keywords", tmp_path).metrics == {"score": 0.25}


def test_returned_metrics_are_final(tmp_path: Path) -> None:
    assert end("returns_metrics", tmp_path).metrics == {"score": 0.75}


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("returns_nothing", "without having reported a metric"),
        ("returns_a_number", "returned 0.5; return a dict"),
        ("reports_text", "'score' is '0.5'; a printable name and a number of 64 bits"),
        ("reports_as_wandb_logs", "called report({'score': 0.5}, step=1); report(step, {name: number}) is wanted"),
        ("reports_backwards", "step 1 after step 2; steps must not go back"),
        ("reports_another_metric", "never reported score (but skore)"),
    ],
)
def test_a_broken_contract_fails_with_what_would_be_right(function: str, reason: str, tmp_path: Path) -> None:
    ended = end(function, tmp_path)
    assert ended.state is State.FAILED
    assert ended.cause is Cause.CONTRACT
    assert ended.reason.startswith("trainer contract: ")
    assert reason in ended.reason


@pytest.mark.parametrize(
    ("step", "metrics", "reason"),
    [
        (2**63, {"score": 1}, "the step 9223372036854775808; steps are 0 to 2^63 - 1"),
        (10**5000, {"score": 1}, "the step a int too long to write; steps are"),
        (-1, {"score": 1}, "the step -1; steps are 0"),
        (1.5, {"score": 1}, "the step 1.5; a whole number"),
        (1, {"score": 10**400}, "a number of 64 bits"),
        (1, {"score": 10**5000}, "a int too long to write; a printable name"),
        (1, {"score": 1, "": 1}, "a printable name"),
        (1, {"score": 1, "a\nb": 1}, "a printable name"),
        (1, {"score": 1, "\ud800": 1}, "a printable name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_reader_could_read_breaks_the_contract_at_once(
    step: Any, metrics: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    ended = end("reports_this", tmp_path, step=step, metrics=metrics)
    assert (ended.state, ended.cause) == (State.FAILED, Cause.CONTRACT)
    assert reason in ended.reason


def test_the_last_step_that_is_allowed_reaches_every_table(folder: Path) -> None:
    (folder / "big.yaml").write_text(
        "name: big\ntrainer: naughty:reports_the_last_step\nmetric: {name: score, goal: maximize}\n"
        "parameters: {x: {values: [1]}}\n"
    )
    runs.train(folder / "big.yaml")
    results = load_results(folder / "results" / "big")
    assert results.trials.steps.tolist() == [2**63 - 1]
    assert results.curves.step.tolist() == [2**63 - 1]
    for form in (Format.PARQUET, Format.JSON, Format.HTML):
        tables.write(results.curves, form, folder / f"curves.{form}")
        tables.write(results.trials, form, folder / f"trials.{form}")
    assert pd.read_parquet(folder / "curves.parquet").step.tolist() == [2**63 - 1]
    assert "9223372036854775807" in render(results)


def test_a_report_of_the_same_step_is_merged_with_what_came_before(tmp_path: Path) -> None:
    *_, first, again, ended = run("reports_the_last_epoch_again", tmp_path)
    assert isinstance(first, Reported)
    assert isinstance(again, Reported)
    assert (first.step, first.metrics) == (3, {"loss": 0.5})
    assert (again.step, again.metrics) == (3, {"loss": 0.4, "score": 0.75})
    assert isinstance(ended, Ended)
    assert (ended.state, ended.steps, ended.metrics) == (State.COMPLETED, 3, {"loss": 0.4, "score": 0.75})


def test_a_step_that_was_reported_twice_is_one_point_of_the_curve(folder: Path) -> None:
    (folder / "again.yaml").write_text(
        "name: again\ntrainer: naughty:reports_the_last_epoch_again\nmetric: {name: score, goal: maximize}\n"
        "parameters: {x: {values: [1]}}\n"
    )
    runs.train(folder / "again.yaml")
    curve = load_results(folder / "results" / "again").curves
    assert list(zip(curve.step, curve.metric, curve.value, strict=True))[-2:] == [(3, "loss", 0.4), (3, "score", 0.75)]
    assert len(curve) == 4


def test_a_goal_that_is_not_a_number_is_a_divergence_that_keeps_the_last_good_metrics(tmp_path: Path) -> None:
    ended = end("reports_nan", tmp_path)
    assert (ended.state, ended.reason) == (State.DIVERGED, "score is nan at step 2")
    assert ended.metrics == {"score": 0.5}


def test_another_metric_may_be_nan(tmp_path: Path) -> None:
    ended = end("reports_nan_aside", tmp_path)
    assert ended.state is State.COMPLETED
    assert math.isnan(ended.metrics["other"])


def test_an_exception_fails_in_one_line_that_says_where(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended = end("raises", tmp_path)
    assert ended.state is State.FAILED
    assert ended.reason.startswith("ValueError: bad luck in two lines (naughty.py:")
    assert "Traceback" in capfd.readouterr().err


def test_sys_exit_fails_the_trial_and_not_the_worker(tmp_path: Path) -> None:
    assert end("exits", tmp_path).reason.startswith("SystemExit: 3")


def test_a_cancelled_trial_stops_at_its_next_report_and_has_no_end(tmp_path: Path) -> None:
    assert [type(event) for event in run("reports_once", tmp_path, stop_at=2)] == [Started, Reported]


def test_a_trainer_that_takes_a_directory_gets_the_trials_own(tmp_path: Path) -> None:
    run("writes_a_file", tmp_path, x=3)
    assert (tmp_path / "key" / "note.txt").read_text() == "x = 3"


def test_a_trainer_that_cannot_be_imported_fails(tmp_path: Path) -> None:
    assert "no function nonsense" in end("nonsense", tmp_path).reason


def test_what_a_process_prints_below_python_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "sub" / "log.txt"
    code = (
        "import os; from pathlib import Path; from sweeper.execution.worker.output_capture import captured\n"
        f"with captured(Path({str(log)!r})): print('py'); os.system('echo sh; echo err >&2')\nprint('after')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("after\n", "")
    assert sorted(log.read_text().split()) == ["err", "py", "sh"]
