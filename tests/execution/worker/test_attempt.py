from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.execution.worker import single
from sweeper.execution.worker.job import Job
from sweeper.trial import Cause, Ended, Event, Reported, Started, State
from tests.execution.drivers import Notebook


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


def test_without_a_return_value_the_last_value_of_each_metric_is_final(tmp_path: Path) -> None:
    ended = end("reports_once", tmp_path)
    assert (ended.state, ended.metrics, ended.steps) == (State.COMPLETED, {"score": 0.6, "rare": 7.0}, 2)


def test_returned_metrics_are_final(tmp_path: Path) -> None:
    assert end("returns_metrics", tmp_path).metrics == {"score": 0.75}


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("returns_nothing", "without having reported a metric"),
        ("returns_a_number", "returned 0.5; return a dict"),
        ("reports_text", "'score' is '0.5'; a name and a number"),
        ("reports_backwards", "step 1 after step 2; steps must ascend"),
        ("reports_another_metric", "never reported score (but skore)"),
    ],
)
def test_a_broken_contract_fails_with_what_would_be_right(function: str, reason: str, tmp_path: Path) -> None:
    ended = end(function, tmp_path)
    assert ended.state is State.FAILED
    assert ended.cause is Cause.CONTRACT
    assert ended.reason.startswith("trainer contract: ")
    assert reason in ended.reason


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
