"""Commands to a run in this process, at moments chosen to the event; and what no command may do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sweeper.analysis import frames
from sweeper.errors import Exit
from sweeper.execution.runner import run_in_process
from sweeper.execution.session import Session
from sweeper.ledger import commands
from sweeper.ledger.commands import Answer, Command
from sweeper.ledger.history import History, read_history
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.methods import paragraphs
from sweeper.trial import Ended, Reported, Started, State
from tests.execution import runs
from tests.execution.steering.hand import Hand, When

TOY = """\
name: toy
trainer: quadratic:train
metric: {name: loss, goal: minimize}
parameters: {x: {values: [1, 2, 3, 4]}}
"""


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(TOY)
    return path


@contextmanager
def steered(file: Path, *overrides: str) -> Iterator[tuple[Session, Hand]]:
    with runs.opened(file, *overrides) as (session, _):
        yield session, Hand(session)


def states(history: History | Session) -> list[State]:
    records = history.planned() if isinstance(history, History) else history.records.values()
    return [record.state for record in records]


def read(file: Path, name: str = "toy") -> History:
    return read_history(SweepDir(file.parent / "results", name))


def test_a_waiting_trial_is_stopped_at_once_and_a_running_one_at_its_next_report(file: Path) -> None:
    with steered(file) as (session, hand):
        keys = list(session.records)
        answers: list[Answer] = []
        session.log.watchers = (When(Started, 1, lambda: answers.append(hand("stop", where="x == 1 or x == 4"))),)
        run_in_process(session)
        assert session.end() is Exit.OK
    assert answers == [
        Answer(True, "1 waiting trial stopped; 1 trial in a pack will stop at the next report", (keys[3], keys[0]))
    ]
    history = read(file)
    assert states(history) == [State.STOPPED, State.COMPLETED, State.COMPLETED, State.STOPPED]
    ended = history.records[keys[0]].ended
    assert ended is not None
    assert ended.reason == "stopped by ann@here: too slow"
    assert history.records[keys[0]].value("loss") is None
    assert history.commands == [
        {"command": 'stop --where "x == 1 or x == 4"', "who": "ann@here", "reason": "too slow", "did": answers[0].text}
    ]


def test_a_stopped_trial_stays_stopped_until_asked_for(file: Path) -> None:
    with steered(file) as (session, hand):
        hand("stop", where="x >= 3")
        run_in_process(session)
    assert runs.train(file).budgets.trained == 0
    assert states(read(file)) == [State.COMPLETED] * 2 + [State.STOPPED] * 2
    methods = " ".join(paragraphs(read(file), (), ()))
    assert "Excluded from every mean: 2 stopped." in methods
    assert "2 trials were stopped by hand, against the plan (2 stopped by ann@here: too slow)." in methods
    table = frames.configs(SweepDir(file.parent / "results", "toy"), read(file))
    assert list(table["stopped"]) == [0, 0, 1, 1]
    assert list(table["loss.n"]) == [1, 1, 0, 0]
    again = runs.train(file, rerun="stopped")
    assert (again.budgets.trained, states(again)) == (2, [State.COMPLETED] * 4)
    assert [record.attempt for record in again.records.values()] == [1] * 4


def test_stop_ends_the_run_as_a_signal_does_and_the_next_run_continues(file: Path) -> None:
    with steered(file) as (session, hand):
        answers: list[Answer] = []
        act = lambda: answers.extend(hand("stop") for _ in range(2))  # noqa: E731
        session.log.watchers = (When(Ended, 2, act),)
        run_in_process(session)
        assert session.end() is Exit.TERMINATED
        assert session.stop.why == "ann@here asked for it (too slow)"
    assert [answer.accepted for answer in answers] == [True, False]  # a second one does not cancel
    assert states(read(file)) == [State.COMPLETED] * 2 + [State.PENDING] * 2
    assert states(runs.train(file)) == [State.COMPLETED] * 4


def test_a_paused_run_starts_nothing_until_it_is_resumed_and_can_be_stopped(file: Path) -> None:
    with steered(file) as (session, hand):
        seen: list[object] = []

        def resume() -> None:
            until = time.monotonic() + 20
            while len(session.active) and time.monotonic() < until:
                time.sleep(0.01)
            seen.extend([session.next_pack(), session.is_done(), hand("resume").text])

        waiting = threading.Thread(target=resume)

        def pause() -> None:
            seen.extend([hand("pause").text, hand("pause").text])
            waiting.start()

        session.log.watchers = (When(Started, 1, pause),)
        run_in_process(session)
        waiting.join()
    text = "paused: no new trial starts, 1 running go on to their end, 3 trials waiting"
    assert seen == [text, "the run is paused already", None, False, "resumed: 3 trials waiting"]
    assert states(session) == [State.COMPLETED] * 4


def test_limits_change_for_this_run_and_are_read_as_a_file_is(file: Path) -> None:
    with steered(file, "budget.wall=1h") as (session, hand):
        session.most_concurrent = 4
        settings = {"budget.wall": "4h", "budget.device_hours": "2", "max_concurrent": "3"}
        assert hand("set", settings=settings).text == "set budget.wall=4h, budget.device_hours=2, max_concurrent=3"
        budget = session.budgets.sweep.budget
        assert (budget.wall_s, budget.device_s, session.max_concurrent) == (4 * 3600, 2 * 3600, 3)
        wrong = [{"budget.wall": "soon"}, {"x": "3"}, {"max_concurrent": "5"}, {"budget.trials": "9"}]
        refusals = [hand("set", settings=one) for one in wrong]
        assert not any(answer.accepted for answer in refusals)
        assert "budget.wall" in refusals[0].text
        assert "these can: budget.wall" in refusals[1].text
        assert "at most 4 packs" in refusals[2].text
        assert session.budgets.sweep.budget == budget
        assert hand("set", settings={"budget.wall": "null"}).accepted
        assert session.budgets.sweep.budget.wall_s is None
    assert "The runs were steered by hand: set budget.wall=4h" in " ".join(paragraphs(read(file), (), ()))


def test_fewer_packs_at_once_are_kept_to(file: Path) -> None:
    with steered(file) as (session, hand):
        first = session.next_pack()
        assert first is not None
        hand("set", settings={"max_concurrent": "1"})
        assert session.next_pack() is None
        session.closed(first.number)
        assert session.next_pack() is not None


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"trial": "0" * 16}, "the run has no trial 0000000000000000"),
        ({"where": "x > 9"}, "no trial has x > 9"),
        ({"where": "y > 9"}, "no trial has y > 9: y is no setting, and no metric that it has reported"),
        ({"where": "x >"}, "in x >"),
        ({"where": "x + 1"}, "must be true or false"),
    ],
)
def test_what_fits_no_trial_is_refused(file: Path, fields: dict[str, str], text: str) -> None:
    with steered(file) as (_, hand):
        answer = hand("stop", **fields)
    assert not answer.accepted
    assert text in answer.text


def test_trials_can_be_chosen_by_what_they_reported(file: Path) -> None:
    with steered(file) as (session, hand):
        session.log.watchers = (When(Reported, 1, lambda: hand("stop", where="loss >= 0")),)
        run_in_process(session)
    assert states(session) == [State.STOPPED] + [State.COMPLETED] * 3


def test_damaged_stale_duplicate_and_simultaneous_commands_do_no_harm(file: Path) -> None:
    with steered(file) as (session, hand):
        place = hand.sweep.commands
        place.mkdir()
        good = hand.command("stop", where="x == 1")
        stale = replace(hand.command("stop"), run="process 1 on elsewhere since long ago")
        commands.drop(hand.sweep, stale)
        for number, text in enumerate(("", "{", "[]", '{"action": "stop"}', json.dumps(asdict(good)), "[" * 60_000)):
            (place / f"{number + 100:032x}.json").write_text(text)  # the fifth has the id of another one
        wrong: list[dict[str, object]] = [{"action": "delete"}, {"at": "now"}, {"settings": [1]}, {"more": "x"}]
        for number, changed in enumerate(wrong):
            name = f"{number + 120:032x}"
            (place / f"{name}.json").write_text(json.dumps(asdict(good) | {"id": name} | changed))
        (place / f"{130:032x}.json").symlink_to(file)
        os.mkfifo(place / f"{131:032x}.json")
        (place / f"{132:032x}.json").mkdir()
        (place / f"{133:032x}.json").write_bytes(b" " * 100_000)
        (place / "notes.txt").write_text("not ours")
        for one in (good, hand.command("stop", where="x == 2"), hand.command("pause"), hand.command("resume")):
            commands.drop(hand.sweep, one)
        hand.inbox.look()
        commands.drop(hand.sweep, good)  # once more, as a file system may show it
        hand.inbox.look()
        hand.inbox.look()
        left = {path.name for path in place.iterdir() if path.suffix != ".answer"}
        assert left == {"notes.txt", f"{132:032x}.json"}
        run_in_process(session)
        assert session.end() is Exit.OK
    assert file.exists()
    history = read(file)
    assert states(history) == [State.STOPPED] * 2 + [State.COMPLETED] * 2
    assert [one["command"] for one in history.commands] == [
        'stop --where "x == 1"', 'stop --where "x == 2"', "pause", "resume",
    ]  # fmt: skip
    assert sum("damaged" in text for text in hand.said) == 14
    assert (history.damaged, bool(history.chain.breaks)) == (0, False)


def test_fifty_commands_at_once_are_each_obeyed_once_while_the_run_goes_on(file: Path) -> None:
    answers: list[Answer] = []
    with steered(file, "x=" + ",".join(map(str, range(100)))) as (session, hand):

        def send(command: Command) -> None:
            commands.drop(hand.sweep, command)
            until = time.monotonic() + 20
            while (answer := commands.answer_to(hand.sweep, command.id)) is None and time.monotonic() < until:
                time.sleep(0.01)
            assert answer is not None
            answers.append(answer)

        given = [hand.command("stop", where=f"x == {50 + number}") for number in range(50)]
        with hand.inbox:
            threads = [threading.Thread(target=send, args=(one,)) for one in given]
            for thread in threads:
                thread.start()
            for thread in threads:  # answered without the runner: a trainer in this process takes long
                thread.join()
            run_in_process(session)
    assert len(answers) == 50
    assert states(read(file)) == [State.COMPLETED] * 50 + [State.STOPPED] * 50
    assert read(file).damaged == 0


def test_a_stopped_trial_of_a_lost_pack_is_not_tried_again(file: Path) -> None:
    with steered(file, "resources.pack=2") as (session, hand):
        pack = session.next_pack()
        assert pack is not None
        first = pack.jobs[0].trial
        session.record(Started(first, 1, time.time(), "cpu", "here"))
        hand("stop", where="x <= 2")
        session.lost(pack.number, "the worker process died")
        session.closed(pack.number)
        assert states(session) == [State.STOPPED] * 2 + [State.PENDING] * 2
        assert len(session.queue) == 2
