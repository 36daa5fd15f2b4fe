from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from sweeper.analysis.progress import overview, progress
from sweeper.errors import Exit
from sweeper.ledger.history import History, read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Started, State
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
