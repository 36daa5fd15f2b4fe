from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import LedgerError
from sweeper.ledger import jsonl
from sweeper.ledger.atomic import replace_file
from sweeper.ledger.entries import ClaimLook, look_of
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Reported, Started, State
from tests.records import make_end, make_life, make_trial

A, B = make_trial(0, x=1), make_trial(0, x=2)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    return SweepDir(tmp_path / "results", "toy")


def write(sweep: SweepDir, *events: object) -> None:
    with Ledger(sweep) as book:
        book.run("name: toy\n", {}, [A, B], read_history(sweep))
        for event in events:
            book.record(event)  # type: ignore[arg-type]


def test_what_was_written_is_read_again(sweep: SweepDir) -> None:
    events = make_life(A, 0.1, 0.2)
    write(sweep, *events)
    history = read_history(sweep, curves=True)
    assert history.order == [A.key, B.key]
    assert history.records[A.key].trial == A
    assert [history.records[A.key].started, *history.records[A.key].reports, history.records[A.key].ended] == events
    assert history.records[B.key].state is State.PENDING


def test_values_that_json_lacks_survive(sweep: SweepDir) -> None:
    write(sweep, make_end(A, score=math.inf, loss=math.nan))
    ended = read_history(sweep).records[A.key].ended
    assert ended is not None
    assert ended.metrics["score"] == math.inf
    assert math.isnan(ended.metrics["loss"])


def test_no_ledger_is_an_empty_history(sweep: SweepDir) -> None:
    assert read_history(sweep) == History()


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_tail_costs_only_the_torn_record(sweep: SweepDir, kept: int) -> None:
    write(sweep, make_end(A))
    whole = sweep.ledger.read_bytes()
    write(sweep, make_end(B))
    last = sweep.ledger.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
    sweep.ledger.write_bytes(whole + last[:kept])
    history = read_history(sweep)
    assert history.records[A.key].state is State.COMPLETED
    assert history.records[B.key].state is State.PENDING
    assert history.damaged == 1


def test_writing_goes_on_after_a_torn_tail(sweep: SweepDir) -> None:
    write(sweep, make_end(A))
    with sweep.ledger.open("ab") as file:
        file.write(b'{"e":"end","trial":"x')
    write(sweep, make_end(B))
    assert [read_history(sweep).records[t.key].state for t in (A, B)] == [State.COMPLETED, State.COMPLETED]


def test_a_flipped_byte_is_seen(sweep: SweepDir) -> None:
    write(sweep, make_end(A, score=0.25))
    sweep.ledger.write_bytes(sweep.ledger.read_bytes().replace(b"0.25", b"0.99"))
    history = read_history(sweep)
    assert history.damaged == 1
    assert history.records[A.key].ended is None


def test_a_second_writer_gets_an_error_that_names_the_first(sweep: SweepDir) -> None:
    with Ledger(sweep), pytest.raises(LedgerError, match=rf"run already(.|\n)*process {os.getpid()} on"), Ledger(sweep):
        pass


def test_the_lock_of_a_killed_driver_is_free(sweep: SweepDir) -> None:
    code = (
        "import os; from pathlib import Path; from sweeper.ledger.ledger import Ledger, SweepDir;"
        f"Ledger(SweepDir(Path({str(sweep.results)!r}), 'toy')).__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    write(sweep, make_end(A))


def test_a_trial_that_a_dead_driver_started_is_pending_again(sweep: SweepDir) -> None:
    write(sweep, Started(A.key, 1, 1.0, "cpu", "here"))
    assert read_history(sweep).records[A.key].state is State.PENDING


def test_a_trial_that_a_living_driver_started_is_running(sweep: SweepDir) -> None:
    with Ledger(sweep) as book:
        book.run("", {}, [A], History())
        book.record(Started(A.key, 1, 1.0, "cpu", "here"))
        assert read_history(sweep).records[A.key].state is State.RUNNING


def test_only_the_curve_of_the_latest_attempt_counts(sweep: SweepDir) -> None:
    first, second = Reported(A.key, 1, 1.0, 10, {"score": 1.0}), Reported(A.key, 2, 2.0, 10, {"score": 2.0})
    write(sweep, Started(A.key, 1, 1.0, "", ""), first, Started(A.key, 2, 2.0, "", ""), second)
    assert read_history(sweep, curves=True).records[A.key].reports == [second]


def test_another_version_is_refused(sweep: SweepDir) -> None:
    sweep.folder.mkdir(parents=True)
    sweep.ledger.write_bytes(jsonl.encode({"e": "ledger", "version": 99}))
    with pytest.raises(LedgerError, match="version 99"):
        read_history(sweep)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    replace_file(path, "one")
    replace_file(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_message() -> None:
    with pytest.raises(LedgerError, match=r"/dev/full.*No space left"):
        _write_to_full_disk()


def _write_to_full_disk() -> None:
    book = Ledger(SweepDir(Path("/dev"), "full"))
    book._write(os.open("/dev/full", os.O_WRONLY), jsonl.encode({"e": "stop"}))


@pytest.mark.parametrize(
    "entry",
    [
        {
            "e": "trial",
            "trial": "../../etc",
            "config": "c",
            "seed": 0,
            "params": {},
            "varied": [],
            "trainer": "t",
            "code": "",
        },
        {"e": "start", "trial": "0123456789abcdef", "attempt": 1, "at": 0.0, "device": "", "host": ""},
        {"e": "end", "trial": "0123456789abcdef"},
        {"e": "stop", "at": 0.0},
        {"e": "run"},
    ],
)
def test_a_line_of_a_stranger_is_counted_and_names_no_folder(tmp_path: Path, entry: dict[str, Any]) -> None:
    sweep = SweepDir(tmp_path, "toy")
    with Ledger(sweep) as book:
        book._append(entry)
    history = read_history(sweep)
    assert (history.records, history.damaged) == ({}, 1)


@pytest.mark.parametrize(
    ("gone", "words"),
    [("folder", "deleted or moved while the sweep ran; the results in it are lost"), ("lock", "the lock was deleted")],
)
def test_a_folder_that_is_deleted_while_its_sweep_runs_is_said_to_be(gone: str, words: str, sweep: SweepDir) -> None:
    with Ledger(sweep) as book:
        book.run("name: toy\n", {}, [A], History())
        if gone == "lock":
            sweep.lock.unlink()
        else:
            shutil.rmtree(sweep.folder)
            (sweep.folder / "trials" / A.key).mkdir(parents=True)  # a worker that makes the folder of its next trial
        for event in make_life(A, 0.1):
            with pytest.raises(LedgerError, match=words):
                book.record(event)
            book._checked = 0.0  # as when a second has passed


def test_a_sweep_can_be_taken_over_and_its_holder_stops(sweep: SweepDir) -> None:
    trial = make_trial(x=1)
    with Ledger(sweep) as first, Ledger(sweep, take_over=True) as second:
        second.run("", {}, [trial], History())
        with pytest.raises(LedgerError, match="another run has taken this sweep over"):
            first.record(make_end(trial))
        second.record(make_end(trial))
    assert read_history(sweep).records[trial.key].state is State.COMPLETED


def test_a_resumed_attempt_keeps_the_curve_up_to_its_checkpoint(sweep: SweepDir) -> None:
    trial = make_trial(x=1)
    with Ledger(sweep) as book:
        book.run("", {}, [trial], History())
        for attempt, start, steps in ((1, 0, (10, 20, 30)), (2, 20, (30, 40))):
            book.record(Started(trial.key, attempt, 0.0, "cpu", "here", start))
            for step in steps:
                book.record(Reported(trial.key, attempt, 0.0, step, {"score": attempt}))
    reports = read_history(sweep, curves=True).records[trial.key].reports
    assert [(r.step, r.attempt) for r in reports] == [(10, 1), (20, 1), (30, 2), (40, 2)]


def test_a_look_says_which_test_it_used_and_one_of_an_older_ledger_does_not(sweep: SweepDir) -> None:
    look = ClaimLook("claim", "configs", 1, 6, 0.01, "open", "exact")
    with Ledger(sweep) as book:
        book.run("", {}, [A], History())
        book.look([look])
    assert read_history(sweep).claim_looks == [look]
    written = look_of({"claim": "claim", "configs": "configs", "look": 1, "seeds": 6, "level": 0.01, "outcome": "open"})
    assert written == replace(look, test="")


def test_a_result_belongs_to_the_run_that_trained_it_whatever_the_clock_was(sweep: SweepDir) -> None:
    """Before, the latest run that had begun by then: after a clock was set back, a later one."""
    first, second = make_trial(x=1), make_trial(x=2)
    with Ledger(sweep) as book:
        book.run("", {"command": "first"}, [first], History())
        book.record(replace(make_end(first), at=time.time() + 3600))
        book.run("", {"command": "second"}, [first, second], read_history(sweep))
        book.record(replace(make_end(second), at=time.time() - 3600))
        book.run("", {"command": "third"}, [first, second], read_history(sweep))
    history = read_history(sweep)
    assert [history.run_of(history.records[t.key])["command"] for t in (first, second)] == ["first", "second"]


def test_a_curve_that_was_reported_again_is_the_later_one(sweep: SweepDir) -> None:
    trial = make_trial(x=1)
    with Ledger(sweep) as book:
        book.run("", {}, [trial], History())
        book.record(Started(trial.key, 1, 0.0, "cpu", "here"))
        for step, score in ((10, 1.0), (20, 2.0), (30, 3.0), (15, 4.0)):
            book.record(Reported(trial.key, 1, 0.0, step, {"score": score}))
    reports = read_history(sweep, curves=True).records[trial.key].reports
    assert [(r.step, r.metrics["score"]) for r in reports] == [(10, 1.0), (15, 4.0)]


def test_a_number_that_json_lacks_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        jsonl.encode({"score": float("nan")})


def test_a_line_after_one_without_an_end_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for text in (b"\x00", b"x" * 7, b"whole\n"):
        path.write_bytes(text)
        os.close(jsonl.open_for_append(path))
        assert path.read_bytes() == text.removesuffix(b"\n") + b"\n"
