"""The steps of running trials between their reports, for other processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sweeper.ledger import live_steps
from sweeper.ledger.live_steps import LiveSteps, LiveStepsFile, read_live_steps
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Reported
from tests.records import make_end, make_trial

A, B = make_trial(0), make_trial(1)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    folder = SweepDir(tmp_path, "toy")
    folder.folder.mkdir()
    return folder


def test_steps_are_there_while_a_run_writes_them(sweep: SweepDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_steps, "WRITE_S", 0)
    sweep.live_steps.write_text('{"at": 1, "steps": {"old": 1}, "first": {}}')  # of a driver that was killed
    with LiveStepsFile(sweep) as file:
        assert read_live_steps(sweep) == LiveSteps()
        file.reach({A.key: 1, B.key: 2})
        file.reach({A.key: 3})
        assert read_live_steps(sweep).steps == {A.key: 3, B.key: 2}
        assert {trial: step for trial, (_, step) in read_live_steps(sweep).first.items()} == {A.key: 1, B.key: 2}
        file.push(A, Reported(A.key, 1, 1.0, 3, {}))
        file.push(B, make_end(B))
        file.reach({})
        assert read_live_steps(sweep).steps == {A.key: 3}
    assert not list(sweep.folder.iterdir())


def test_the_file_is_written_every_few_seconds_only(sweep: SweepDir) -> None:
    with LiveStepsFile(sweep) as file:
        for step in range(1, 100):
            file.reach({A.key: step})
        assert read_live_steps(sweep).steps == {A.key: 1}


def test_threads_may_write_at_once(sweep: SweepDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_steps, "WRITE_S", 0)
    with LiveStepsFile(sweep) as file:

        def train(number: int) -> None:
            for step in range(1, 200):
                trial = make_trial(step, x=number)
                file.reach({trial.key: step})
                file.push(trial, make_end(trial))
            file.reach({make_trial(x=number).key: 1})

        threads = [threading.Thread(target=train, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {make_trial(x=number).key for number in range(3)} <= set(read_live_steps(sweep).steps)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"at": "x"}', '{"at": 1, "steps": 3}', '{"steps": {"a": 1}}'])
def test_another_file_has_no_steps(sweep: SweepDir, content: str) -> None:
    sweep.live_steps.write_text(content)
    assert read_live_steps(sweep) == LiveSteps()


def test_what_is_no_file_is_not_waited_for_and_a_run_goes_on_without(sweep: SweepDir) -> None:
    os.mkfifo(sweep.live_steps)
    assert read_live_steps(sweep) == LiveSteps()
    sweep.live_steps.unlink()
    sweep.live_steps.mkdir()
    with LiveStepsFile(sweep) as file:
        file.reach({A.key: 1})
        assert read_live_steps(sweep) == LiveSteps()
