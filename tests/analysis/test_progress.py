from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from sweeper.analysis.progress import overview, progress, summarize
from sweeper.errors import Exit
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.live_steps import LiveSteps
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Reported, Started, State
from tests.records import make_end, make_trial

TRIALS = [make_trial(seed, x=1) for seed in range(4)]


def test_a_folder_without_sweeps_has_no_rows(tmp_path: Path) -> None:
    assert overview(tmp_path / "nowhere") == []


def test_a_row_counts_what_is_done_failed_and_left(tmp_path: Path) -> None:
    with Ledger(SweepDir(tmp_path, "toy")) as book:
        book.run("", {}, TRIALS, History())
        book.record(make_end(TRIALS[0]))
        book.record(make_end(TRIALS[1], State.DIVERGED))
        book.record(make_end(TRIALS[2], State.FAILED))
        (row,) = overview(tmp_path)
        assert (row.name, row.state) == ("toy", "running")
    (row,) = overview(tmp_path)
    assert (row.state, row.done, row.failed, row.left) == ("unfinished", 2, 1, 1)


def test_what_a_dead_driver_left_running_is_left(tmp_path: Path) -> None:
    with Ledger(SweepDir(tmp_path, "toy")) as book:
        book.run("", {}, TRIALS[:1], History())
        book.record(Started(TRIALS[0].key, 1, 1.0, "cpu", "here"))
    assert overview(tmp_path)[0].left == 1


def test_damage_is_said(tmp_path: Path) -> None:
    sweep = SweepDir(tmp_path, "toy")
    with Ledger(sweep) as book:
        book.run("", {}, TRIALS, History())
    sweep.ledger.write_bytes(sweep.ledger.read_bytes() + b"torn")
    assert overview(tmp_path)[0].damaged_lines == 1


def test_the_last_event_of_a_copied_sweep_is_not_when_it_was_copied(tmp_path: Path) -> None:
    with Ledger(SweepDir(tmp_path / "here", "toy")) as book:
        book.run("", {}, TRIALS, History())
        book.stop(Exit.INTERRUPTED, "")
    there = shutil.copytree(tmp_path / "here", tmp_path / "there")
    os.utime(there / "toy/ledger.jsonl", (4e9, 4e9))
    assert abs(overview(there)[0].last_at - time.time()) < 100


def test_a_pack_that_makes_steps_is_not_silent(tmp_path: Path) -> None:
    """Before: `last event 18 min ago` of a run that trains."""
    with Ledger(folder := SweepDir(tmp_path, "toy")) as book:
        book.run("", {}, TRIALS, History())
        os.utime(folder.ledger, (1e9, 1e9))
        os.utime(folder.curves, (1e9, 1e9))
        folder.live_steps.write_text("{}")
        assert abs(overview(tmp_path)[0].last_at - time.time()) < 100


def test_the_pace_is_that_of_the_last_run_after_a_clock_was_set_back(tmp_path: Path) -> None:
    """Before: 12 trials an hour, from the ends of the run before, and no pace where this clock is the one behind."""
    folder = SweepDir(tmp_path, "toy")
    trials, now = [make_trial(x=number) for number in range(5)], time.time()
    with Ledger(folder) as book:
        book.run("", {}, trials, History())
        for trial in trials[:3]:
            book.record(replace(make_end(trial), at=now + 3600))
        book.run("", {}, trials, read_history(folder))
        book.record(replace(make_end(trials[3]), at=time.time() + 36))
        pace = progress(folder, read_history(folder), now - 1000).trials_per_hour
        assert pace is not None
        assert 95 < pace < 101
    pace = progress(folder, read_history(folder), now).trials_per_hour
    assert pace is not None
    assert 95 < pace < 101


def test_steps_between_reports_give_the_pace_and_what_is_left_of_the_first_trials(tmp_path: Path) -> None:
    """Before: "no pace yet" until the first pack had ended, 18 minutes in one case."""
    folder, now = SweepDir(tmp_path, "toy"), time.time()
    trials = [make_trial(x=number, **{"train.steps": 1000}) for number in range(4)]
    with Ledger(folder) as book:
        book.run("", {}, trials, History())
        for trial in trials[:2]:
            book.record(Started(trial.key, 1, now + 1, "cpu", "here"))
            book.record(Reported(trial.key, 1, now + 10, 100, {}))
        history = read_history(folder, curves=True)
        seen = progress(folder, history, now + 20, LiveSteps(now + 20, {trial.key: 200 for trial in trials[:2]}))
        assert (seen.trials_per_hour, seen.steps_per_s) == (None, 20)
        assert seen.left_s == 3600 / 20
        first = {trial.key: (now + 20, 200) for trial in trials[:2]}
        live = LiveSteps(now + 30, {trial.key: 400 for trial in trials[:2]}, first)
        early = progress(folder, read_history(folder), now + 30, live)  # without the reports
        assert (early.steps_per_s, early.left_s) == (40, 3200 / 40)
        older = LiveSteps(now + 20, {trial.key: 50 for trial in trials[:2]})  # written after the reports all the same
        assert progress(folder, history, now + 20, older).left_s == progress(folder, history, now + 20).left_s
        own = summarize(folder, None, now + 20)
        assert [one.step for one in own.running] == [100, 100]
        folder.live_steps.write_text(
            json.dumps({"at": now, "steps": {trials[0].key: 150, trials[1].key: 50}, "first": {}})
        )
        assert [one.step for one in summarize(folder, None, now + 20).running] == [150, 100]


def test_what_an_earlier_run_did_is_not_in_the_pace(tmp_path: Path) -> None:
    folder, now = SweepDir(tmp_path, "toy"), time.time()
    trial = make_trial(x=1, **{"train.steps": 1000})
    with Ledger(folder) as book:
        book.run("", {}, [trial], History())
        book.record(Started(trial.key, 1, now - 9000, "cpu", "here"))
        book.record(Reported(trial.key, 1, now - 8000, 500, {}))
    with Ledger(folder) as book:
        book.run("", {}, [trial], read_history(folder))
        book.record(Started(trial.key, 2, now + 10, "cpu", "here", 500))
        live = LiveSteps(now + 20, {trial.key: 600})
        assert progress(folder, read_history(folder, curves=True), now + 20, live).steps_per_s is None  # one moment
        book.record(Reported(trial.key, 2, now + 15, 550, {}))
        seen = progress(folder, read_history(folder, curves=True), now + 20, live)
        assert (seen.steps_per_s, seen.left_s) == (10, 40)
