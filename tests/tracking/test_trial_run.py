"""What MLflow should show of a trial, event by event, without MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from sweeper.tracking.trial_run import Found, MirroredTrial
from sweeper.trial import Ended, Record, Reported, Started, State, Trial

TRIAL = Trial("k" * 16, "c" * 16, 3, {"a.b": 1e-3}, {"flag": True, "none": None, "n": 3e6, "s": "adam"}, "cvae", "d")


def started(attempt: int = 1, at: float = 100.0) -> Started:
    return Started(TRIAL.key, attempt, at, "cuda:0", "node1")


def reported(step: int, attempt: int = 1, at: float = 101.0, loss: float = 0.5) -> Reported:
    return Reported(TRIAL.key, attempt, at, step, {"loss": loss})


def ended(attempt: int = 1, at: float = 110.0, state: State = State.COMPLETED, **metrics: float) -> Ended:
    return Ended(TRIAL.key, attempt, at, state, "", metrics, 20, 10.0, 100.0, "cuda:0", "node1")


def copy_of(*events: Started | Reported | Ended) -> MirroredTrial:
    copy = MirroredTrial(Record(TRIAL))
    for event in events:
        copy.take(event)
    return copy


def found(status: str, end_ms: int = 0, attempt: str = "1") -> Found:
    return Found("run", status, end_ms=end_ms, trial=TRIAL.key, attempt=attempt)


def test_parameters_are_text_that_reads_back() -> None:
    expected = {"a.b": "0.001", "flag": "true", "none": "null", "n": "3000000", "s": "adam", "seed": "3"}
    assert copy_of().params() == expected


def test_the_final_value_is_a_point_only_where_the_last_report_does_not_show_it() -> None:
    copy = copy_of(started(), reported(10), reported(20, at=102.0), ended(loss=0.5, best=0.4))
    assert list(copy.new_points()) == [("loss", 0.5, 101000, 10), ("loss", 0.5, 102000, 20), ("best", 0.4, 110000, 20)]


def test_a_final_nan_that_was_reported_is_not_repeated() -> None:
    nan = float("nan")
    copy = copy_of(started(), reported(20, loss=nan), ended(state=State.DIVERGED, loss=nan))
    assert len(list(copy.new_points())) == 1


def test_a_clock_set_back_does_not_hide_the_final_value() -> None:
    copy = copy_of(started(), reported(20, at=500.0), ended(at=400.0, loss=0.1))
    assert list(copy.new_points())[-1] == ("loss", 0.1, 500001, 20)


def test_a_new_attempt_replaces_the_run_of_the_old_one() -> None:
    copy = copy_of(started(), reported(10), ended(state=State.FAILED))
    copy.run = "old"
    copy.take(started(attempt=2, at=120.0))
    assert (copy.run, copy.outdated, copy.record.reports, copy.record.ended) == ("", "old", [], None)


def test_an_attempt_that_goes_on_from_a_checkpoint_keeps_what_led_to_it() -> None:
    copy = copy_of(started(), reported(10), reported(20), reported(30), ended(state=State.FAILED))
    copy.take(replace(started(attempt=2, at=120.0), step=20))
    assert [report.step for report in copy.record.reports] == [10, 20]
    assert copy.points == 0  # they are written anew, into the run of the new attempt


def test_late_words_of_an_old_attempt_are_dropped() -> None:
    copy = copy_of(started(), started(attempt=2, at=120.0), reported(10, attempt=1), ended(attempt=1))
    assert (copy.record.reports, copy.record.ended) == ([], None)


def test_events_pushed_twice_count_once() -> None:
    events = (started(), reported(10), ended(loss=1.0))
    assert copy_of(*events, *events).record == copy_of(*events).record


def test_the_same_attempt_begun_again_by_a_new_driver_starts_afresh() -> None:
    copy = MirroredTrial(Record(TRIAL, 1, started(), None, [reported(10), reported(20)]))
    copy.take(started(at=200.0))
    assert (copy.record.reports, copy.live) == ([], True)


def test_a_trial_that_a_killed_driver_left_has_nothing_pending_and_adopts_nothing() -> None:
    copy = MirroredTrial(Record(TRIAL, 1, started(), None, [reported(10)]))
    assert not copy.pending
    assert not copy.adopt(found("RUNNING"))


def test_what_is_pending_is_what_is_not_written() -> None:
    copy = copy_of(started())
    assert copy.pending
    copy.opened = True
    assert not copy.pending
    copy.take(reported(10))
    assert copy.pending
    copy.points = 1
    assert not copy.pending
    copy.take(ended())
    assert copy.pending


@pytest.mark.parametrize(
    ("status", "end_ms", "attempt", "adopted", "pending"),
    [
        ("FINISHED", 110000, "1", True, False),  # whole
        ("RUNNING", 0, "1", True, True),  # begun, to be completed
        ("RUNNING", 0, "2", False, True),  # of another attempt
        ("KILLED", 110000, "1", False, True),  # ended otherwise than the ledger says
        ("FINISHED", 110001, "1", False, True),  # the end of something else
    ],
)
def test_a_run_is_adopted_if_whole_or_mendable(
    status: str, end_ms: int, attempt: str, adopted: bool, pending: bool
) -> None:
    copy = MirroredTrial(Record(TRIAL, 1, started(), ended()))
    assert (copy.adopt(found(status, end_ms, attempt)), copy.pending) == (adopted, pending)


def test_a_trial_adopts_one_run_only() -> None:
    copy = MirroredTrial(Record(TRIAL, 1, started(), ended()))
    assert copy.adopt(found("FINISHED", 110000))
    assert not copy.adopt(found("FINISHED", 110000))


def test_empty_tags_are_not_written() -> None:
    tags: Mapping[str, str] = copy_of(started()).tags()
    assert tags["sweeper.state"] == "running"
    assert "sweeper.reason" not in tags
    assert "sweeper.origin" not in tags
