from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sweeper.execution.worker import pack
from sweeper.execution.worker.job import Job, StopOrder
from sweeper.trial import Ended, Reported, State
from tests.execution.drivers import Notebook
from tests.execution.runs import train

FUSED = """\
name: toy
trainer: naughty:fused
metric: {name: score, goal: maximize}
parameters: {deed: {values: [%s]}}
resources: {pack: 4}
retry: {max: 1}
"""


def jobs(tmp_path: Path, *deeds: str, target: str = "naughty:fused") -> list[Job]:
    return [
        Job(f"key{i}", 1, target, {"deed": deed, "seed": 0}, ("score",), tmp_path / f"key{i}")
        for i, deed in enumerate(deeds)
    ]


def run(tmp_path: Path, *deeds: str, driver: Notebook | None = None) -> Notebook:
    driver = driver or Notebook()
    pack.run(jobs(tmp_path, *deeds), driver, 4)
    return driver


def ends(driver: Notebook) -> dict[str, Ended]:
    return {event.trial: event for event in driver.events if isinstance(event, Ended)}


def test_members_train_at_once_and_end_with_their_own_metrics(tmp_path: Path) -> None:
    found = ends(run(tmp_path, "good", "fine"))
    assert [end.metrics["score"] for end in found.values()] == [10.0, 10.0]
    assert {end.state for end in found.values()} == {State.COMPLETED}


def test_reports_of_members_take_turns(tmp_path: Path) -> None:
    reports = [(e.trial, e.step) for e in run(tmp_path, "good", "fine").events if isinstance(e, Reported)]
    assert reports == [("key0", 1), ("key1", 1), ("key0", 2), ("key1", 2), ("key0", 3), ("key1", 3)]


def test_steps_between_reports_are_passed_on_until_a_member_ends(tmp_path: Path) -> None:
    assert run(tmp_path, "good", "raise").steps == {"key0": 2, "key1": 2}
    assert run(tmp_path, "good", "nan").steps == {"key0": 3, "key1": 2}


@pytest.mark.parametrize("deed", ["nan", "fail"])
def test_a_member_that_diverges_stops_and_leaves_the_others_alone(deed: str, tmp_path: Path) -> None:
    found = ends(run(tmp_path, deed, "good"))
    assert {trial: end.state for trial, end in found.items()} == {"key0": State.DIVERGED, "key1": State.COMPLETED}
    assert found["key0"].metrics == {"score": 1.0}


def test_what_the_trainer_raises_fails_those_that_have_not_ended(tmp_path: Path) -> None:
    found = ends(run(tmp_path, "fail", "good", "raise"))
    assert [found[f"key{i}"].state for i in range(3)] == [State.DIVERGED, State.FAILED, State.FAILED]


def test_a_member_that_was_left_behind_breaks_the_contract(tmp_path: Path) -> None:
    found = ends(run(tmp_path, "good", "leave"))
    assert found["key0"].state is State.COMPLETED
    assert found["key1"].reason == "trainer contract: train_pack() returned while this trial was still in training"


def test_a_pack_that_begins_no_trial_fails_those_that_wait_and_is_not_run_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text((FUSED % "good, fine").replace("fused", "never_begins"))
    assert {record.state for record in train(file).records.values()} == {State.FAILED}


def test_a_cancelled_pack_has_no_ends(tmp_path: Path) -> None:
    assert ends(run(tmp_path, "good", "fine", driver=Notebook(cancels=lambda count: count >= 4))) == {}


def test_a_pruned_member_ends_and_the_others_go_on(tmp_path: Path) -> None:
    driver = Notebook()
    driver.verdicts["key0"] = StopOrder(State.PRUNED, "below the median at step 1")
    found = ends(run(tmp_path, "good", "fine", driver=driver))
    assert (found["key0"].state, found["key0"].reason) == (State.PRUNED, "below the median at step 1")
    assert found["key0"].metrics == {"score": 1.0}
    assert found["key1"].state is State.COMPLETED


def test_freed_slots_are_filled_with_what_waits(tmp_path: Path) -> None:
    first, *rest = jobs(tmp_path, "good", "nan", "good", "good", "good", "fine")
    driver = Notebook(waiting=rest)
    pack.run([first], driver, 2)
    assert Counter(end.state for end in ends(driver).values()) == {State.COMPLETED: 5, State.DIVERGED: 1}


def test_short_trials_that_cannot_be_fused_share_a_worker(tmp_path: Path) -> None:
    first, *rest = jobs(tmp_path, *["good"] * 20, target="naughty:by_name")
    driver = Notebook(waiting=rest)
    pack.run([first], driver, None)
    assert len(ends(driver)) == 20


def test_the_log_of_a_pack_is_that_of_its_first_member(tmp_path: Path) -> None:
    run(tmp_path, "fine", "good")
    assert (tmp_path / "key1" / "log.txt").read_text() == "trained in a pack; its log is that of key0\n"


def test_the_members_of_a_failed_pack_are_tried_again_alone(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(FUSED % "good, raise, fine")
    session = train(file)
    states = Counter(record.state for record in session.records.values())
    assert states == {State.COMPLETED: 2, State.FAILED: 1}
    assert session.active.opened == 4


def test_members_of_a_pack_agree_in_what_the_trainer_names(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(FUSED % "good, fine")
    assert train(file, "width=1,2", "seeds=3").active.opened == 2
