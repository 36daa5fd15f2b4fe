"""When a claim counts as registered: by what the ledger held when a run first wrote it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.analysis.claims.registration import ClaimStatus, claim_status
from sweeper.analysis.claims.verify import judge_sweep
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.spec.claims.convert import claim_of
from sweeper.spec.claims.records import Claim
from sweeper.trial import State, Trial, trial_key
from tests.records import make_end, make_trial

MEAN: dict[str, Any] = {"name": "high", "metric": "score", "mean": {"at_least": 0.5}}
LOWER: dict[str, Any] = {"name": "high", "metric": "score", "mean": {"at_least": 0.4}}
SEEDS = [make_trial(seed, x=1) for seed in range(8)]


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    return SweepDir(tmp_path, "toy")


def run(
    sweep: SweepDir, planned: Sequence[Trial], *claims: dict[str, Any], origin: str = "", state: State = State.COMPLETED
) -> None:
    """A run that trains what has no result yet, or takes it over from the sweep `origin`."""
    known = read_history(sweep)
    with Ledger(sweep) as book:
        book.run("", {"claims": list(claims), "commit": "c0ffee"}, planned, known)
        for trial in planned:
            if trial.key not in known.records or not known.records[trial.key].state.is_result:
                book.record(replace(make_end(trial, state, score=0.6 + trial.seed / 100), origin=origin))
        book.stop(0, "")


def stands(sweep: SweepDir, keys: dict[str, Any]) -> ClaimStatus:
    history = read_history(sweep)
    return claim_status(keys, history, history.planned())


def test_a_claim_that_the_first_run_wrote_down_is_registered(sweep: SweepDir) -> None:
    run(sweep, SEEDS, MEAN)
    assert stands(sweep, MEAN) == ClaimStatus("registered", "registered", 0, 1)


def test_a_claim_written_after_the_results_is_exploratory_and_says_after_how_many(sweep: SweepDir) -> None:
    run(sweep, SEEDS)
    run(sweep, SEEDS, MEAN)
    found = stands(sweep, MEAN)
    assert (found.status, found.results_seen) == ("exploratory", 8)
    assert found.text == "exploratory: written after 8 of 8 results"


def test_seeds_that_came_later_do_not_make_it_older(sweep: SweepDir) -> None:
    run(sweep, SEEDS[:3])
    run(sweep, SEEDS, MEAN)
    assert stands(sweep, MEAN).text == "exploratory: written after 3 of 8 results"


def test_failed_trials_are_no_results_that_were_seen(sweep: SweepDir) -> None:
    run(sweep, SEEDS, state=State.FAILED)
    run(sweep, SEEDS, MEAN)
    assert stands(sweep, MEAN).status == "registered"


def test_results_of_another_sweep_count_as_seen(sweep: SweepDir) -> None:
    run(sweep, SEEDS[:2], MEAN, origin="earlier")
    assert stands(sweep, MEAN).text == "exploratory: written after 2 of 2 results"


def test_results_of_trials_that_a_claim_is_not_about_do_not_count(sweep: SweepDir) -> None:
    run(sweep, SEEDS)
    about = [{**MEAN, "name": f"of {x}", "where": f"x == {x}"} for x in (1, 2)]
    run(sweep, [*SEEDS, *(make_trial(seed, x=2) for seed in range(8))], MEAN, *about)
    claims = [claim for keys in (MEAN, *about) if isinstance(claim := claim_of(keys), Claim)]
    standing = [verdict.standing for verdict in judge_sweep(claims, read_history(sweep), sweep.folder)]
    assert standing == [f"exploratory: written after 8 of {n} results" for n in (16, 8)] + ["registered"]


def test_a_claim_that_no_run_wrote_down_is_exploratory(sweep: SweepDir) -> None:
    run(sweep, SEEDS, MEAN)
    assert stands(sweep, {**MEAN, "metric": "loss"}).text == "exploratory: written after 8 of 8 results"


@pytest.mark.parametrize(
    "same", [{**MEAN, "name": "renamed"}, dict(reversed(MEAN.items()))], ids=["another name", "another order"]
)
def test_what_does_not_change_a_claim_keeps_its_registration(sweep: SweepDir, same: dict[str, Any]) -> None:
    run(sweep, SEEDS, MEAN)
    assert stands(sweep, same).status == "registered"


def test_a_change_before_any_result_is_a_registration(sweep: SweepDir) -> None:
    run(sweep, [], MEAN)
    run(sweep, SEEDS, LOWER)
    assert stands(sweep, LOWER).status == "registered"


def test_a_claim_changed_after_results_is_amended_and_both_are_judged(sweep: SweepDir) -> None:
    run(sweep, SEEDS, MEAN)
    run(sweep, SEEDS, LOWER)
    claim = claim_of(LOWER)
    assert isinstance(claim, Claim)
    new, old = judge_sweep([claim], read_history(sweep), sweep.folder)
    assert (new.status, new.replaced, old.status, old.replaced) == ("amended", False, "amended", True)
    assert "at least 0.4" in new.sentence
    assert "at least 0.5" in old.sentence
    assert new.standing == "amended: written after 8 of 8 results"


def test_adding_seeds_to_a_complete_sweep_is_another_look(sweep: SweepDir) -> None:
    for count in (3, 5, 5, 8):  # the third run trains nothing, so that nobody learns anything
        run(sweep, SEEDS[:count], MEAN)
    assert stands(sweep, MEAN) == ClaimStatus("registered", "registered; look 3", 0, 3)


def test_nothing_is_registered_in_a_ledger_whose_chain_is_broken(sweep: SweepDir) -> None:
    run(sweep, SEEDS, MEAN)
    lines = sweep.ledger.read_bytes().splitlines(keepends=True)
    sweep.ledger.write_bytes(b"".join(lines[:4] + lines[5:]))
    assert stands(sweep, MEAN).text == "unregistered: the ledger's chain breaks at line 5"


def test_a_verdict_names_that_its_results_are_of_several_versions_of_the_code(sweep: SweepDir) -> None:
    """As where a trainer was changed, and only what was new was trained."""
    run(sweep, SEEDS, MEAN)
    claim = claim_of(MEAN)
    assert claim is not None
    [alike] = judge_sweep([claim], read_history(sweep), sweep.folder)
    assert "versions" not in alike.sentence
    changed = [replace(trial, key=trial_key(trial.config, trial.seed, "0ther"), code="0ther") for trial in SEEDS[6:]]
    run(sweep, [*SEEDS[:6], *changed], MEAN)
    [mixed] = judge_sweep([claim], read_history(sweep), sweep.folder)
    assert mixed.sentence.endswith("; results of 2 versions of the trainer's code or data")
