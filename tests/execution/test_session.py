"""The session with the in-process runner and with a runner of our own that breaks packs on purpose."""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import Exit
from sweeper.execution.runner import run_in_process
from sweeper.execution.session import Session
from sweeper.execution.signals import interruptible
from sweeper.execution.worker import single
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Cause, Event, Started, State
from tests.execution import runs
from tests.execution.drivers import Notebook
from tests.execution.runs import Notes

NAUGHTY = """\
name: toy
trainer: naughty:by_name
metric: {name: score, goal: maximize}
method: grid
parameters: {deed: {values: [%s]}}
retry: {max: 1}
"""


def opened(folder: Path, text: str) -> AbstractContextManager[tuple[Session, Notes]]:
    file = folder / "toy.yaml"
    file.write_text(text)
    return runs.opened(file)


def states(run: Session) -> list[State]:
    return [record.state for record in run.records.values()]


def attempts(run: Session) -> list[int]:
    return [record.attempt for record in run.records.values()]


def test_trials_run_in_the_order_of_the_plan(folder: Path) -> None:
    with opened(folder, NAUGHTY % "good, fine") as (run, _):
        run_in_process(run)
    assert states(run) == [State.COMPLETED, State.COMPLETED]
    assert run.end() is Exit.OK


def test_it_says_once_and_last_of_all_that_no_event_will_come_any_more(folder: Path) -> None:
    said: list[list[State]] = []
    with opened(folder, NAUGHTY % "raise, good") as (run, _):
        run.when_done = lambda: said.append(states(run))
        run_in_process(run)
    assert said == [[State.FAILED, State.COMPLETED]]


def test_a_failure_is_tried_again_and_a_divergence_is_not(folder: Path) -> None:
    with opened(folder, NAUGHTY % "raise, nan, good") as (run, _):
        run_in_process(run)
    assert states(run) == [State.FAILED, State.DIVERGED, State.COMPLETED]
    assert attempts(run) == [2, 1, 1]
    assert run.end() is Exit.TRIALS_FAILED


def test_a_broken_contract_is_not_tried_again(folder: Path) -> None:
    text = NAUGHTY % "1"
    with opened(folder, text.replace("by_name", "returns_nothing")) as (run, _):
        run_in_process(run)
    assert attempts(run) == [1]


@pytest.mark.parametrize(("never", "expected"), [("ValueError", 1), ("V", 2), ("Value", 2)])
def test_exceptions_that_are_never_retried_go_by_their_whole_names(folder: Path, never: str, expected: int) -> None:
    with opened(folder, NAUGHTY.replace("max: 1", f"max: 1, never_on: [{never}]") % "raise") as (run, _):
        run_in_process(run)
    assert attempts(run) == [expected]
    (record,) = run.records.values()
    assert record.ended is not None
    assert (record.ended.cause, record.ended.error) == (Cause.EXCEPTION, "ValueError")


def test_failures_in_a_row_end_the_sweep(folder: Path) -> None:
    text = NAUGHTY.replace("max: 1", "max: 0") % "raise, exit, good" + "abort: {consecutive_failures: 2}\n"
    with opened(folder, text) as (run, _):
        run_in_process(run)
    assert states(run) == [State.FAILED, State.FAILED, State.PENDING]
    assert run.stop.why == "2 trials in a row failed (abort.consecutive_failures)"


def test_the_budget_of_trials_stops_cleanly_and_the_next_run_goes_on(folder: Path) -> None:
    text = NAUGHTY % "a, b, c" + "budget: {trials: 2}\n"
    with opened(folder, text) as (run, _):
        run_in_process(run)
    assert (states(run), run.end()) == ([State.COMPLETED, State.COMPLETED, State.PENDING], Exit.BUDGET)
    with opened(folder, text.replace("trials: 2", "trials: 3")) as (run, _):
        run_in_process(run)
    assert (states(run), run.end()) == ([State.COMPLETED] * 3, Exit.OK)


def test_a_spent_wall_time_starts_nothing(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a, b" + "budget: {wall: 0.000001}\n") as (run, _):
        run_in_process(run)
    assert (states(run), run.end()) == ([State.PENDING] * 2, Exit.BUDGET)


def test_the_members_of_a_lost_pack_are_tried_again_one_by_one(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a, b, c" + "resources: {pack: 3}\n") as (run, _):
        pack = run.next_pack()
        assert pack is not None
        assert [job.attempt for job in pack.jobs] == [1, 1, 1]
        for job in pack.jobs:
            run.record(Started(job.trial, 1, 0.0, "cpu", "here"))
        run.lost(pack.number, "the worker process died")
        run.closed(pack.number)
        sizes = [len(again.jobs) for again in iter(run.next_pack, None)]
    assert sizes == [1, 1, 1]


def test_members_that_had_ended_are_not_lost_with_their_pack(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a, b" + "resources: {pack: 2}\n") as (run, _):
        pack = run.next_pack()
        assert pack is not None
        single.run(pack.jobs[0], Recorder(run))
        run.record(Started(pack.jobs[1].trial, 1, 0.0, "cpu", "here"))
        run.lost(pack.number, "the worker process died")
        run.closed(pack.number)
        assert [job.trial for job in run.queue.waiting] == [pack.jobs[1].trial]


def test_members_that_had_not_begun_are_not_counted_as_lost(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a, b" + "resources: {pack: 2}\n") as (run, _):
        pack = run.next_pack()
        assert pack is not None
        run.record(Started(pack.jobs[0].trial, 1, 0.0, "cpu", "here"))
        run.lost(pack.number, "the worker process died")
        run.closed(pack.number)
        assert {(job.trial, job.attempt, job.alone) for job in run.queue.waiting} == {
            (pack.jobs[0].trial, 2, True),
            (pack.jobs[1].trial, 1, False),
        }


def test_a_process_that_dies_before_any_trial_begins_is_not_started_for_ever(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a") as (run, _):
        while pack := run.next_pack():
            run.lost(pack.number, "the worker process died")
            run.closed(pack.number)
    assert (states(run), run.active.opened) == ([State.FAILED], 2)


def test_a_trial_that_takes_too_long_gets_a_stop_order_and_then_its_process_is_killed(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a" + "resources: {timeout: 0.01}\n") as (run, _):
        pack = run.next_pack()
        assert pack is not None
        trial = pack.jobs[0].trial
        run.record(Started(trial, 1, 0.0, "cpu", "here"))
        time.sleep(0.02)
        assert run.verdicts(pack.number)[trial].state is State.FAILED
        assert run.hung() == []
        run.active.packs[pack.number].late[trial] = 0.0
        assert run.hung() == [pack.number]
        run.lost(pack.number, "the worker process died")
        ended = run.records[trial].ended
    assert ended is not None
    assert ended.reason == "timeout: it trained for more than 0.01 s (resources.timeout)"
    assert not ended.retry


class Recorder(Notebook):
    """A driver that writes events into a session."""

    def __init__(self, run: Session) -> None:
        super().__init__()
        self.run = run

    def send(self, event: Event) -> None:
        self.run.record(event)


def test_the_first_interrupt_starts_nothing_new_and_the_second_cancels(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a, b") as (run, notes):
        run.next_pack()
        run.interrupt(Exit.INTERRUPTED)
        assert (run.next_pack(), run.is_cancelled()) == (None, False)
        run.interrupt(Exit.INTERRUPTED)
        assert run.is_cancelled()
    assert run.end() is Exit.INTERRUPTED
    assert "Press Ctrl-C again" in notes.messages[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_signals_stop_a_session_in_good_order(folder: Path, number: signal.Signals, code: int) -> None:
    with opened(folder, NAUGHTY % "a") as (run, _), interruptible(run.interrupt):
        signal.raise_signal(number)
    assert run.end() == code


def test_results_of_another_sweep_are_taken_over_with_their_curves(folder: Path) -> None:
    with opened(folder, NAUGHTY % "a, b") as (run, _):
        run_in_process(run)
    (folder / "results" / "toy").rename(folder / "results" / "first")
    with opened(folder, NAUGHTY % "a, b, c") as (run, _):
        run_in_process(run)
    taken: list[Any] = [record.ended.origin for record in run.records.values() if record.ended]
    assert taken == ["first", "first", ""]
    again = read_history(SweepDir(folder / "results", "toy"), curves=True)
    assert [len(record.reports) for record in again.planned()] == [2, 2, 2]
