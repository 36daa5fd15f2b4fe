from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from runs import train

from sweeper import pack
from sweeper.attempt import Job
from sweeper.trial import Ended, Event, Reported, State

FUSED = """\
name: toy
trainer: naughty:Fused
metric: {name: score, goal: maximize}
parameters: {deed: {values: [%s]}}
resources: {pack: 4}
retry: {max: 1}
"""


def run(tmp_path: Path, *deeds: str, stop_at: int | None = None) -> list[Event]:
    events: list[Event] = []
    jobs = [
        Job(f"key{i}", 1, "naughty:Fused", {"deed": d, "seed": 0}, ("score",), tmp_path / f"key{i}", "", 1, keep=False)
        for i, d in enumerate(deeds)
    ]
    pack.run(jobs, events.append, lambda: stop_at is not None and len(events) >= stop_at)
    return events


def ends(events: list[Event]) -> dict[str, Ended]:
    return {event.trial: event for event in events if isinstance(event, Ended)}


def test_members_train_at_once_and_end_with_their_own_metrics(tmp_path: Path) -> None:
    found = ends(run(tmp_path, "good", "fine"))
    assert [end.metrics["score"] for end in found.values()] == [10.0, 20.0]
    assert {end.state for end in found.values()} == {State.COMPLETED}


def test_reports_of_members_take_turns(tmp_path: Path) -> None:
    reports = [(e.trial, e.step) for e in run(tmp_path, "good", "fine") if isinstance(e, Reported)]
    assert reports == [("key0", 1), ("key1", 1), ("key0", 2), ("key1", 2), ("key0", 3), ("key1", 3)]


def test_a_member_that_diverges_stops_and_leaves_the_others_alone(tmp_path: Path) -> None:
    found = ends(run(tmp_path, "nan", "good"))
    assert [end.state for end in found.values()] == [State.DIVERGED, State.COMPLETED]
    assert found["key0"].metrics == {"score": 1.0}


def test_what_the_trainer_raises_fails_those_that_have_not_ended(tmp_path: Path) -> None:
    found = ends(run(tmp_path, "nan", "raise", "good"))
    assert [end.state for end in found.values()] == [State.DIVERGED, State.FAILED, State.FAILED]


def test_a_cancelled_pack_has_no_ends(tmp_path: Path) -> None:
    assert ends(run(tmp_path, "good", "fine", stop_at=4)) == {}


def test_the_members_of_a_failed_pack_are_tried_again_alone(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(FUSED % "good, raise, fine")
    session = train(file)
    states = Counter(record.state for record in session.records.values())
    assert states == {State.COMPLETED: 2, State.FAILED: 1}
    assert session.packs == 4


@pytest.mark.parametrize("returned", ["[]", "[{}]", "3"])
def test_a_wrong_number_of_results_breaks_the_contract(tmp_path: Path, returned: str) -> None:
    (tmp_path / "short.py").write_text(
        f"class Fused:\n    def train_pack(self, members, report):\n        return {returned}\n"
    )
    file = tmp_path / "toy.yaml"
    file.write_text(FUSED.replace("naughty", "short") % "a, b")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        patch.delitem(__import__("sys").modules, "short", raising=False)
        session = train(file)
    reasons = [record.ended.reason for record in session.records.values() if record.ended]
    assert all("return 2 dicts of metrics" in reason for reason in reasons)
