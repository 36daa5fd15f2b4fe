"""`add`: what it makes of a running sweep, what the next run makes of that, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.analysis.claims.verify import judge_sweep
from sweeper.errors import Exit
from sweeper.execution.runner import run_in_process
from sweeper.ledger.commands import Answer
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.planning import plan
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from sweeper.trial import Ended, Started, State
from tests.execution import runs
from tests.execution.steering.hand import Hand, When

TOY = """\
name: toy
trainer: quadratic:train
metric: {name: loss, goal: minimize}
parameters: {x: {values: [1, 2.0]}}
"""


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(TOY)
    return path


def added(file: Path, *commands: dict[str, str], after: int = 1, stop: bool = False) -> list[Answer]:
    """Run the file and give these settings to `add` when the first trial has begun; returns the answers."""
    answers: list[Answer] = []
    with runs.opened(file) as (session, _):
        hand = Hand(session)

        def act() -> None:
            answers.extend(hand("add", settings=settings) for settings in commands)
            if stop:
                hand("stop")

        session.log.watchers = (When(Started if after == 1 else Ended, after, act),)
        run_in_process(session)
        assert session.end() is (Exit.TERMINATED if stop else Exit.OK)
    return answers


def planned(file: Path) -> dict[tuple[Any, int], State]:
    records = read_history(SweepDir(file.parent / "results", "toy")).planned()
    return {(record.trial.params["x"], record.trial.seed): record.state for record in records}


def made(file: Path) -> plan.Plan:
    return plan.make(load_spec(file), trainer.find("quadratic:train"), file.parent / "results")


def test_values_and_seeds_join_the_run_and_running_the_file_again_keeps_them(file: Path) -> None:
    answers = added(file, {"x": "3,2"}, {"seeds": "2"})
    text = "running the unchanged file again keeps them; for another version write {} into it"
    assert [answer.text for answer in answers] == [
        f"1 trial added: 1 to run; {text.format('x=3,2')}",
        f"3 trials added: 3 to run; {text.format('seeds=2')}",
    ]
    everything = {(x, seed): State.COMPLETED for x in (1, 2, 3) for seed in (0, 1)}
    assert planned(file) == everything
    assert runs.train(file).budgets.trained == 0
    assert planned(file) == everything
    assert (made(file).configs, len(made(file).items), made(file).warnings) == (3, 6, ())
    history = read_history(SweepDir(file.parent / "results", "toy"))
    assert [(one["command"], one["who"]) for one in history.commands] == [
        ("add x=3,2", "ann@here"),
        ("add seeds=2", "ann@here"),
    ]


def test_what_was_added_and_never_began_is_trained_by_the_next_run(file: Path) -> None:
    assert added(file, {"x": "3"}, stop=True)[0].accepted
    assert planned(file)[3, 0] is State.PENDING
    assert runs.train(file).budgets.trained >= 2
    assert planned(file) == {(x, 0): State.COMPLETED for x in (1, 2, 3)}


def test_an_edited_file_lists_what_it_wants_and_names_what_it_leaves_out(file: Path) -> None:
    added(file, {"x": "3"})
    file.write_text(TOY.replace("[1, 2.0]", "[1, 2, 4]"))
    problem = made(file).warnings[0]
    assert problem.message == "1 trial added to an earlier version of the file, and not part of this one"
    assert problem.hint == "write into the file what you want to keep: x=3"
    assert runs.train(file).budgets.trained == 1
    assert set(planned(file)) == {(1, 0), (2, 0), (4, 0)}
    file.write_text(TOY.replace("[1, 2.0]", "[1, 2, 3]"))
    assert len(made(file).items) == 3
    assert all(item.action == "cached" for item in made(file).items)


def test_configurations_join_a_list(file: Path) -> None:
    file.write_text(TOY.replace("parameters: {x: {values: [1, 2.0]}}", "method: list\nconfigs: [{x: 1}, {x: 2.0}]"))
    assert added(file, {"configs": "[{x: 5}, {x: 1}]"})[0].text.startswith("1 trial added")
    assert {x for x, _ in planned(file)} == {1, 2, 5}


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ("", {"x": "2,1"}, "has all of these trials already"),
        ("", {"z": "2"}, "does not vary in this sweep"),
        ("", {"x": "[oops"}, "a bracket is not closed"),
        ("", {"configs": "[{x: 1}]"}, "only a sweep of method: list has configurations"),
        ("", {"seeds": "0.5"}, "seeds"),
        ("parameters: {x: {min: 1, max: 2, points: 2}}", {"x": "3"}, "has a range"),
        ("method: random\nbudget: {trials: 2}\nparameters: {x: {min: 1, max: 2}}", {"x": "3"}, "budget.trials=N"),
        ("parameters: {x: {values: [1, 2]}, steps: {values: [3, 4]}}\nzip: [[x, steps]]", {"x": "3"}, "zip"),
        (
            "seeds: {start: 2, max: 4, until: decided}\nparameters: {x: {values: [1, 2]}}\n"
            "expect: [{name: low, metric: loss, mean: {at_most: 99}}]",
            {"x": "3"},
            "plan of looks",
        ),
    ],
)
def test_what_cannot_be_added_is_refused_with_the_reason(
    file: Path, change: str, settings: dict[str, str], message: str
) -> None:
    file.write_text(TOY.replace("parameters: {x: {values: [1, 2.0]}}", change) if change else TOY)
    answers = added(file, settings)
    assert not answers[0].accepted
    assert message in answers[0].text
    assert read_history(SweepDir(file.parent / "results", "toy")).commands == []


@pytest.mark.parametrize(("after", "standing"), [(1, "registered"), (2, "registered; look 2; 1 result of")])
def test_claims_count_what_was_added_after_results_were_there(file: Path, after: int, standing: str) -> None:
    file.write_text(TOY + "expect: [{name: low, metric: loss, mean: {at_most: 99}}]\n")
    results = file.parent / "results"
    with runs.opened(file) as (session, _):
        hand = Hand(session)
        event, count = (Started, 1) if after == 1 else (Ended, 1)
        session.log.watchers = (When(event, count, lambda: hand("add", settings={"x": "3"})),)
        session.log.ledger.run(load_spec(file).text, {"claims": [one.keys for one in load_spec(file).claims]}, [
            record.trial for record in session.records.values()], read_history(session.log.ledger.sweep))  # fmt: skip
        run_in_process(session)
    verdict = judge_sweep(load_spec(file).claims, read_history(SweepDir(results, "toy")), results / "toy")[0]
    assert verdict.standing.startswith(standing)
    assert (verdict.looks, "added by hand" in verdict.standing) == (after, after == 2)


def test_a_search_with_another_budget_of_trials_expects_as_many(file: Path) -> None:
    file.write_text(TOY.replace("values: [1, 2.0]", "min: 1.0, max: 2.0") + "method: tpe\nbudget: {trials: 4}\n")
    expected: list[int] = []
    with runs.opened(file) as (session, _):
        hand = Hand(session)
        session.expect_more = expected.append
        session.log.watchers = (When(Ended, 2, lambda: [hand("set", settings={"budget.trials": n}) for n in "61"]),)
        run_in_process(session)
        total = 4 + sum(expected)
        assert total == len(session.records)
    assert expected[0] == 2
