"""The bundled trainer, in packs, interrupted at every kind of moment: pending with a checkpoint, then the same bits."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweeper.cvae.training import pack
from sweeper.cvae.training.step import Stepper
from sweeper.errors import Exit
from sweeper.execution.runner import run_in_process
from sweeper.execution.signals import interruptible
from sweeper.execution.worker import checkpoints
from sweeper.ledger.entries import NO_FAILURE
from sweeper.ledger.history import History, read_history
from sweeper.ledger.paths import SweepDir
from sweeper.trial import Ended, Event, Reported, Started, State, Trial
from tests.execution import runs
from tests.execution.drivers import DriverProcess
from tests.execution.runs import Notes
from tests.execution.steering.hand import Hand, When

SMALL = """\
name: small
trainer: cvae
metric: {name: alignment, goal: maximize}
base: {train.report_every: 6, train.batch_size: 32, train.test_prompts: 24, model.width: 16, model.heads: 2}
parameters:
  loss.inter_latent_divergence_weight: {values: [0, 1]}
  train.steps: {values: [%d, %d]}
seeds: 2
resources: {pack: 4, gpu: 0}
tracking: {uri: "http://127.0.0.1:9"}
"""
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143, signal.SIGUSR1: 143}
Finals = dict[str, dict[str, float]]


def finals(history: History) -> Finals:
    return {record.trial.key: dict(record.ended.metrics) for record in history.planned() if record.ended}


def read(folder: Path, results: str = "results") -> History:
    return read_history(SweepDir(folder / results, "small"))


# --- in this process: signals at moments chosen to the step --------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Finals:
    """What each trial ends with when nothing stops it."""
    file = tmp_path_factory.mktemp("undisturbed") / "small.yaml"
    file.write_text(SMALL % (12, 18))
    runs.train(file)
    found = finals(read(file.parent))
    assert len(found) == 8
    return found


class Moment(Notes):
    """Raises a signal when `is_now` says so of an event, once."""

    def __init__(self, is_now: Callable[[Event], bool]) -> None:
        super().__init__()
        self.is_now, self.raised = is_now, False

    def push(self, trial: Trial, event: Event) -> None:
        super().push(trial, event)
        if not self.raised and self.is_now(event):
            self.raised = True
            signal.raise_signal(signal.SIGINT)


def after(kind: type[Event], count: int) -> Callable[[], Iterator[Moment]]:
    """The moment when an event has come for the `count`-th time."""

    def moment() -> Iterator[Moment]:
        seen = 0

        def is_now(event: Event) -> bool:
            nonlocal seen
            seen += isinstance(event, kind)
            return seen == count

        yield Moment(is_now)

    return moment


def during(owner: object, name: str, count: int) -> Callable[[], Iterator[Moment]]:
    """The moment when a function of the trainer is called for the `count`-th time."""

    def moment() -> Iterator[Moment]:
        real, calls = getattr(owner, name), 0

        def called(*args: object) -> object:
            nonlocal calls
            calls += 1
            if calls == count:
                signal.raise_signal(signal.SIGINT)
            return real(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, called)
            yield Moment(lambda event: False)

    return moment


MOMENTS = {
    "the first member starts": after(Started, 1),
    "the first step": during(Stepper, "run", 1),
    "between reports": during(Stepper, "run", 9),
    "the first evaluation": during(pack, "evaluate_rows", 1),
    "a later evaluation": during(pack, "evaluate_rows", 3),
    "a report": after(Reported, 3),
    "a member has left": after(Ended, 1),
    "a member joins": after(Started, 5),
    "the last member": after(Ended, 7),
}


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_pack_goes_on_to_the_same_bits(
    folder: Path, undisturbed: Finals, moment: str, size: int
) -> None:
    file = folder / "small.yaml"
    file.write_text((SMALL % (12, 18)).replace("pack: 4", f"pack: {size}"))
    for watcher in MOMENTS[moment]():
        with runs.opened(file) as (session, _), interruptible(session.interrupt):
            session.log.watchers = (watcher,)
            run_in_process(session)
    begun = {event.trial for event in watcher.events if isinstance(event, Started)}
    ended = {event.trial for event in watcher.events if isinstance(event, Ended)}
    history = read(folder)
    assert {record.state for key, record in history.records.items() if key not in ended} <= {State.PENDING}
    assert all(history.records[key].state is State.COMPLETED for key in ended)
    cut = begun - ended
    assert cut or moment in ("a member has left", "the last member"), "then nothing may have been in training"
    assert all(checkpoints.steps(SweepDir(folder / "results", "small").trial(key)) for key in cut)
    assert session.end() is Exit.INTERRUPTED
    assert runs.train(file).end() is Exit.OK
    assert finals(read(folder)) == undisturbed


def test_a_spent_budget_of_time_stops_a_pack_that_trains_and_nothing_waits_for(
    folder: Path, undisturbed: Finals
) -> None:
    file = folder / "small.yaml"
    file.write_text((SMALL % (12, 18)).replace("pack: 4", "pack: 8"))
    with runs.opened(file, "budget.wall=1h") as (session, notes):

        def spend(self: Stepper, steps: int) -> None:
            session.budgets.began -= 1800.0
            run(self, steps)

        run = Stepper.run
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Stepper, "run", spend)
            run_in_process(session)
        assert session.end() is Exit.BUDGET
    assert session.stop.why == "the wall-time budget is spent"
    assert "8 running stop at their next checkpoint" in notes.messages[0]
    assert {record.state for record in session.records.values()} == {State.PENDING}
    assert runs.train(file).end() is Exit.OK
    assert finals(read(folder)) == undisturbed


def test_stopping_a_member_leaves_the_others_their_bits_and_it_can_be_taken_up_again(
    folder: Path, undisturbed: Finals
) -> None:
    file = folder / "small.yaml"
    file.write_text(SMALL % (12, 18))
    with runs.opened(file) as (session, _):
        hand, others = Hand(session), [*session.records]
        stopped = others.pop(1)
        session.log.watchers = (When(Reported, 2, lambda: hand("stop", trial=stopped)),)
        run_in_process(session)
        assert session.end() is Exit.OK
    found = read(folder)
    assert [record.state for record in found.planned()].count(State.STOPPED) == 1
    assert {key: finals(found)[key] for key in others} == {key: undisturbed[key] for key in others}
    assert runs.train(file, rerun="stopped").budgets.trained == 1
    assert finals(read(folder)) == undisturbed


def test_a_budget_that_ends_when_everything_is_done_stopped_nothing(folder: Path) -> None:
    file = folder / "small.yaml"
    file.write_text(SMALL % (4, 5))
    with runs.opened(file, "budget.wall=1h") as (session, _):

        class Spend(Notes):
            """Spends the hour when the last trial has ended."""

            def push(self, trial: Trial, event: Event) -> None:
                super().push(trial, event)
                if isinstance(event, Ended) and sum(isinstance(other, Ended) for other in self.events) == 8:
                    session.budgets.began -= 3600.0

        session.log.watchers = (Spend(),)
        run_in_process(session)
        assert (session.end(), session.stop.why) == (Exit.OK, "")


def test_trials_that_an_earlier_version_called_failed_for_stopping_are_pending(folder: Path) -> None:
    file = folder / "small.yaml"
    file.write_text(SMALL % (4, 5))
    with runs.opened(file) as (session, _):
        stopped = session.next_pack()
        assert stopped is not None
        for job in stopped.jobs:
            session.record(Started(job.trial, 1, 1.0, "cpu", "here"))
            session.record(Ended(job.trial, 1, 2.0, State.FAILED, NO_FAILURE, {}, 0, 1.0, 1.0, "cpu", "here"))
    assert {record.state for record in read(folder).planned()} == {State.PENDING}
    assert runs.train(file).end() is Exit.OK
    assert all(record.attempt == 2 for record in read(folder).planned()[:4])


# --- in processes of their own: as people and schedulers stop a run -------------------------------------------------


def start(folder: Path, *words: str) -> DriverProcess:
    return DriverProcess([sys.executable, "-m", "sweeper", "run", "small.yaml", *words], folder, folder / "news.txt")


def stop(folder: Path, number: signal.Signals, *words: str, presses: int = 1) -> str:
    """Stop a run after some reports; returns its last line."""
    driver = start(folder, *words)
    driver.wait_for_more(SweepDir(folder / "results", "small").curves, count=4)
    assert driver.stop(number, presses) == SIGNALS[number], driver.news.read_text()
    assert {record.state for record in read(folder).planned()} <= {State.PENDING, State.COMPLETED}
    return driver.last_line


def go_on(folder: Path, line: str) -> None:
    """Type the command of the last line, as it stands there, after `nohup`, and close the terminal."""
    assert line.startswith("continue with: sweeper "), line
    words = shlex.split(line.removeprefix("continue with: sweeper "))
    driver = DriverProcess(["nohup", sys.executable, "-m", "sweeper", *words], folder, folder / "news.txt")
    driver.wait_for_more(SweepDir(folder / "results", "small").curves)
    os.killpg(driver.process.pid, signal.SIGHUP)
    assert driver.process.wait(240) == 0, driver.news.read_text()


@pytest.fixture
def long(folder: Path) -> Path:
    (folder / "small.yaml").write_text(SMALL % (30, 50))
    return folder


@pytest.fixture(scope="module")
def long_finals(tmp_path_factory: pytest.TempPathFactory) -> Finals:
    file = tmp_path_factory.mktemp("long") / "small.yaml"
    file.write_text(SMALL % (30, 50))
    runs.train(file)
    return finals(read(file.parent))


def test_signals_stop_a_pack_in_this_process_and_the_last_line_finishes_it(long: Path, long_finals: Finals) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):  # the others: on Ray, below
        line = stop(long, number, "--runner", "inprocess", "--max-concurrent", "1", "--no-color")
    assert line.endswith("small.yaml --runner inprocess --max-concurrent 1 --no-color")
    line = stop(long, signal.SIGINT, "--runner", "inprocess", "--quiet", presses=2)
    assert line == "continue with: sweeper run small.yaml --runner inprocess --quiet"
    go_on(long, line)
    assert finals(read(long)) == long_finals


@pytest.mark.ray
@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_signals_stop_packs_on_ray_and_the_last_line_finishes_them(long: Path, long_finals: Finals, size: int) -> None:
    pack = f"resources.pack={size}"
    line = stop(long, signal.SIGUSR1 if size == 4 else signal.SIGTERM, pack)
    assert line == f"continue with: sweeper run small.yaml {pack}"
    if size == 4:
        line = stop(long, signal.SIGINT, pack, presses=2)
    go_on(long, line)
    assert finals(read(long)) == long_finals


@pytest.mark.ray
def test_a_budget_ends_a_run_on_ray_with_its_own_exit_code(long: Path) -> None:
    (long / "small.yaml").write_text(SMALL % (2000, 3000))
    driver = start(long, "budget.wall=14s", "resources.pack=8")
    assert driver.process.wait(60) == 5, driver.news.read_text()
    assert {record.state for record in read(long).planned()} == {State.PENDING}
    assert driver.last_line == ("continue with: sweeper run small.yaml budget.wall=14s resources.pack=8")
