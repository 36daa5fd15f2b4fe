from __future__ import annotations

from dataclasses import replace

import pytest

from sweeper.analysis.workload import Workload, declared_steps
from sweeper.trial import Reported, Started, State, Trial
from tests.records import make_end, make_trial


def steps_trial(seed: int, steps: int | None = 100) -> Trial:
    return replace(make_trial(seed, beta=1), base={} if steps is None else {"train.steps": steps})


def started(trial: Trial, step: int = 0) -> Started:
    return Started(trial.key, 1, 0.0, "cpu", "here", step)


def at(trial: Trial, step: int) -> Reported:
    return Reported(trial.key, 1, 0.0, step, {"score": 0.1})


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"train.steps": 2000}, 2000),
        ({"optim.num_epochs": 5}, 5),
        ({"eval_every_steps": 5, "warmup_steps": 10}, None),
        ({"epochs": True}, None),
    ],
)
def test_a_trial_says_how_long_it_is_in_the_words_of_its_trainer(settings: dict[str, int], steps: int | None) -> None:
    assert declared_steps(replace(make_trial(0), base=settings)) == steps


def test_steps_of_all_trials_count_from_the_first_report_on() -> None:
    trials = [steps_trial(seed) for seed in range(4)]
    work = Workload(4, trials)
    assert (work.made, work.total) == (0, 400)
    for trial in trials[:2]:
        work.advance(trial, started(trial))
        work.advance(trial, at(trial, 25))
    assert (work.made, work.total) == (50, 400)


def test_time_left_counts_neither_start_up_nor_what_a_checkpoint_had() -> None:
    trial = steps_trial(0)
    work = Workload(1, [trial])
    work.advance(trial, started(trial, step=60), 1000.0)
    assert work.total == 40
    work.advance(trial, at(trial, 61), 1300.0)  # five minutes of start-up for one step
    assert work.left_s(1300.0) is None
    work.advance(trial, at(trial, 80), 1319.0)
    assert work.left_s(1319.0) == pytest.approx(20.0)


def test_steps_between_reports_count_and_give_a_time_left() -> None:
    trials = [steps_trial(seed) for seed in range(2)]
    work = Workload(2, trials)
    for trial in trials:
        work.advance(trial, started(trial), 1000.0)
    for step, now in ((10, 1030.0), (30, 1050.0)):
        for trial in trials:
            work.reach(trial, step, now)
    assert [work.made, work.pace(1050.0), work.left_s(1050.0)] == pytest.approx([60.0, 2.0, 70.0])
    work.reach(trials[0], 20, 1060.0)  # on its way when a later report came
    work.reach(steps_trial(7), 20, 1060.0)
    assert work.made == 60
    work.advance(trials[0], replace(make_end(trials[0]), steps=100), 1100.0)
    work.reach(trials[0], 101, 1101.0)
    assert work.made == 130


def test_no_time_left_is_guessed_from_the_first_of_a_pack_that_reports() -> None:
    trials = [steps_trial(seed) for seed in range(4)]
    work = Workload(4, trials)
    for trial in trials:
        work.advance(trial, started(trial), 0.0)
    for number, trial in enumerate(trials):
        work.advance(trial, at(trial, 25), 100.0 + number)
    work.advance(trials[0], at(trials[0], 50), 125.0)
    assert work.left_s(125.0) is None
    for number, trial in enumerate(trials[1:], 1):
        work.advance(trial, at(trial, 50), 125.0 + number)
    assert work.left_s(128.0) == pytest.approx(56.0)


def test_time_left_counts_down_between_two_reports() -> None:
    trial = steps_trial(0)
    work = Workload(1, [trial])
    work.advance(trial, started(trial), 0.0)
    for step, now in [(30, 30.0), (60, 60.0)]:
        work.advance(trial, at(trial, step), now)
    assert [work.left_s(now) for now in (60.0, 80.0, 200.0)] == pytest.approx([40.0, 20.0, 4.0])


def test_later_trials_count_with_their_start_up() -> None:
    trials = [steps_trial(seed) for seed in range(3)]
    work = Workload(3, trials)
    for number, trial in enumerate(trials[:2]):
        work.advance(trial, started(trial), number * 20.0)
        work.advance(trial, at(trial, 50), number * 20.0 + 10.0)
        work.advance(trial, at(trial, 100), number * 20.0 + 20.0)
        work.advance(trial, replace(make_end(trial), steps=100), number * 20.0 + 20.0)
    assert work.pace(40.0) == pytest.approx(150 / 30)


def test_a_reused_trial_is_no_work() -> None:
    reused, own = steps_trial(0), steps_trial(1)
    work = Workload(2, [own])
    work.advance(reused, replace(make_end(reused), origin="other"))
    assert (work.made, work.trials) == (0, 1)
    assert work.total == 100


def test_trials_that_wait_are_expected_to_be_pruned_as_the_others_were() -> None:
    trials = [steps_trial(seed) for seed in range(4)]
    work = Workload(4, trials)
    for trial, state, steps in [(trials[0], State.COMPLETED, 100), (trials[1], State.PRUNED, 20)]:
        work.advance(trial, started(trial))
        work.advance(trial, replace(make_end(trial, state), steps=steps))
    assert (work.made, work.total) == (120, 120 + 2 * 60)


def test_a_trainer_that_counts_otherwise_than_it_declares_is_believed_once_a_trial_ended() -> None:
    trials = [steps_trial(seed, 1000) for seed in range(2)]
    work = Workload(2, trials)
    work.advance(trials[0], replace(make_end(trials[0]), steps=10))
    assert work.total == 20


def test_without_declared_steps_trials_are_like_those_that_ended() -> None:
    trials = [steps_trial(seed, None) for seed in range(3)]
    work = Workload(3, trials)
    assert work.total is None
    work.advance(trials[0], started(trials[0]))
    work.advance(trials[0], replace(make_end(trials[0]), steps=10))
    assert work.made == 10
    assert work.total == 30


def test_the_trials_that_a_search_has_not_proposed_count_as_much_as_the_others() -> None:
    work = Workload(10, [steps_trial(0)])
    assert work.total == 1000
