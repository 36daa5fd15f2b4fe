"""A searcher in a run: budgets, resuming, groups of seeds. What it proposes is tested in test_searcher.py."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sweeper.execution.runner import run_in_process
from sweeper.execution.session import Session
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir
from sweeper.planning import plan
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from sweeper.trial import Ended, Params, Started, State
from tests.execution import runs
from tests.execution.runs import train

SEARCH = """\
name: toy
trainer: quadratic:train
metric: {name: loss, goal: minimize}
method: tpe
seeds: 2
parameters: {x: {min: -5.0, max: 5.0}, target: {values: [0, 2]}}
budget: {trials: 12}
"""


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(SEARCH)
    return path


def keys(session: Session) -> list[str]:
    return list(session.records)


def test_a_search_ends_with_its_budget_of_trials(file: Path) -> None:
    session = train(file)
    assert [record.state for record in session.records.values()] == [State.COMPLETED] * 12
    assert Counter(record.trial.config for record in session.records.values()).most_common(1)[0][1] == 2


@pytest.mark.parametrize(
    ("words", "first", "further"), [((), 1, 3), (("resources.pack=6",), 6, 6), (("budget.trials=8",), 1, 0)]
)
def test_a_worker_that_chooses_its_pack_gets_an_eighth_of_the_budget_at_once(
    file: Path, words: tuple[str, ...], first: int, further: int
) -> None:
    """All trials of a search at once would be no search."""
    with runs.opened(file, "budget.trials=32", *words) as (session, _):
        pack = session.next_pack()
        assert pack is not None
        assert (len(pack.jobs), len(session.more(pack.number, 6))) == (first, further)


def test_an_odd_budget_is_not_exceeded(file: Path) -> None:
    assert len(keys(train(file, "budget.trials=5"))) == 5


def test_a_larger_budget_goes_on_where_the_search_stopped(file: Path) -> None:
    first = keys(train(file))
    second = train(file, "budget.trials=20")
    assert keys(second)[:12] == first
    assert len(set(keys(second))) == 20
    assert second.budgets.trained == 8


def test_a_search_that_was_cut_off_is_finished_without_training_twice(file: Path) -> None:
    with runs.opened(file) as (session, _):
        pack = session.next_pack()
        assert pack is not None
    again = train(file)
    assert keys(again)[:2] == keys(session)[:2]
    assert len(keys(again)) == 12
    history = read_history(SweepDir(file.parent / "results", "toy"))
    assert history.order == keys(again)


def test_a_widened_range_keeps_what_was_found(file: Path) -> None:
    first = keys(train(file))
    file.write_text(SEARCH.replace("max: 5.0", "max: 50.0").replace("[0, 2]", "[0, 2, 9]").replace("12", "16"))
    assert keys(train(file))[:12] == first


def test_a_change_of_what_does_not_vary_is_another_search(file: Path) -> None:
    train(file)
    made = plan.make(load_spec(file, ["steps=2"]), trainer.find("quadratic:train"), file.parent / "results")
    assert made.items == ()


def test_a_search_space_that_is_used_up_ends_the_run(file: Path) -> None:
    file.write_text(SEARCH.replace("{min: -5.0, max: 5.0}", "{values: [1, 2]}"))
    assert len(keys(train(file))) == 8


def test_failed_configurations_do_not_stop_a_search(folder: Path) -> None:
    file = folder / "toy.yaml"
    text = SEARCH.replace("quadratic:train", "naughty:by_name").replace("name: loss", "name: score")
    text = text.replace("target: {values: [0, 2]}", "deed: {values: [good, nan, raise]}")
    file.write_text(text + "retry: {max: 0}\nabort: {consecutive_failures: null}\n")
    with runs.opened(file) as (session, _):
        run_in_process(session)
    states = {record.state for record in session.records.values()}
    assert len(keys(session)) == 12
    assert states <= {State.COMPLETED, State.DIVERGED, State.FAILED}


def test_where_asking_takes_long_it_is_done_while_a_trial_trains(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(SEARCH.replace("seeds: 2\n", "").replace("tpe", "gp").replace("12", "16"))
    monkeypatch.setattr("sweeper.search.searcher.GP_SEES", 11)
    asked: list[int] = []
    with runs.opened(file) as (session, notes):
        assert session.queue.proposals is not None
        ask = session.queue.proposals.search.ask

        def noted() -> Params | None:
            asked.append(len(notes.events))
            return ask()

        monkeypatch.setattr(session.queue.proposals.search, "ask", noted)
        run_in_process(session)
    started = [number for number, event in enumerate(notes.events, 1) if isinstance(event, Started)]
    ended = [number for number, event in enumerate(notes.events, 1) if isinstance(event, Ended)]
    assert asked[:12] == [0, *ended[:11]], "each with the results of all before"
    assert asked[12:] == [ended[11], *started[12:15]], "then while the one before trains"
    assert len(set(keys(session))) == 16


def test_with_prior_results_it_proposes_what_a_search_does_that_found_them_itself(file: Path, folder: Path) -> None:
    own = keys(train(file, "name=first", "budget.trials=24"))
    (folder / "more.yaml").write_text(SEARCH.replace("name: toy", "name: more") + "sampler: {prior: [first]}\n")
    with runs.opened(folder / "more.yaml") as (session, notes):
        assert "begins with 12 of 12 configurations" in notes.messages[0]
        assert session.next_pack() is not None
        proposed = keys(session)
    assert proposed == keys(train(file, "name=first", "budget.trials=26"))[24:]
    assert not set(proposed) & set(own)
