"""The methods paragraph on ledgers that are written here: each sentence stands for a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.analysis.claims.verify import judge_sweep
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.methods import paragraphs
from sweeper.reporting.tables.markup import latex_text
from sweeper.spec.claims.convert import claim_of
from sweeper.trial import State, Trial
from tests.records import make_end, make_trial

MEAN: dict[str, Any] = {"name": "high", "metric": "score", "mean": {"at_least": 0.5}, "family": "f"}
SEEDS = [make_trial(seed, x=1) for seed in range(8)]


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    return SweepDir(tmp_path, "toy")


def run(sweep: SweepDir, planned: Sequence[Trial], *claims: dict[str, Any], **more: Any) -> None:
    """A run that trains what has no result yet; seed 7 diverges, seed 6 is taken over."""
    known = read_history(sweep)
    facts = {"claims": list(claims), "commit": "c0ffee", "python": "3.11", "packages": {"torch": "2.13"}, **more}
    with Ledger(sweep) as book:
        book.run("", facts, planned, known)
        for trial in planned:
            if trial.key not in known.records:
                end = make_end(
                    trial, State.DIVERGED if trial.seed == 7 else State.COMPLETED, score=0.6 + trial.seed / 99
                )
                book.record(replace(end, origin="earlier" if trial.seed == 6 else "", wall_s=3600.0))
        book.stop(0, "")


def text(sweep: SweepDir, *claims: dict[str, Any]) -> str:
    history = read_history(sweep)
    known = [claim for keys in claims if (claim := claim_of(keys)) is not None]
    return "\n".join(paragraphs(history, known, judge_sweep(known, history, sweep.folder)))


def test_it_says_what_was_registered_tested_left_out_and_used(sweep: SweepDir) -> None:
    run(sweep, SEEDS[:4], MEAN)
    said = text(sweep, MEAN)
    for words in (
        'The claim "high" was registered on 20',
        "UTC, commit c0ffee, before any result that judges it existed.",
        f"its head is {read_history(sweep).chain.head}.",
        "mean: a one-sided t test per configuration",
        "at the level 0.05 (intervals of 0.9).",
        '1 claim of the family "f"',
        "1 configuration with 4 seeds each was planned: 4 trials, of which 4 completed.",
        "4 hours of training in all, on cpu.",
        "The last run used Python 3.11, torch 2.13.",
    ):
        assert words in said
    for words in ("Excluded", "taken over", "exploratory", "amended", "runs", "commits", "looks"):
        assert words not in said


def test_it_names_what_did_not_go_by_the_plan(sweep: SweepDir) -> None:
    lower = {**MEAN, "mean": {"at_least": 0.4}}
    run(sweep, SEEDS[:4], MEAN)
    run(sweep, SEEDS, lower, patch="patches/1.patch", reason="a slip")
    said = text(sweep, lower)
    for words in (
        'The claim "high" is amended: written after 5 of 8 results (a slip).',
        'An earlier text of "high" gave:',
        "Excluded from every mean: 1 diverged.",
        "1 result was taken over from other sweeps: earlier.",
        "The sweep took 2 runs.",
        "1 run began with changes that were not committed",
        "7 hours of training",
    ):
        assert words in said
    assert "was registered" not in said


def test_late_claims_and_broken_chains_are_not_called_registered(sweep: SweepDir) -> None:
    run(sweep, SEEDS[:4])
    run(sweep, SEEDS[:4], MEAN)
    assert 'The claim "high" is exploratory: written after 4 of 4 results.' in text(sweep, MEAN)
    lines = sweep.ledger.read_bytes().splitlines(keepends=True)
    sweep.ledger.write_bytes(b"".join(lines[:3] + lines[4:]))
    said = text(sweep, MEAN)
    assert "breaks at line 4: no claim counts as registered" in said
    assert "unbroken" not in said


def test_a_ledger_without_a_chain_says_so() -> None:
    published = SweepDir(Path(__file__).parents[2] / "results" / "published", "mar17")
    history = read_history(published)
    assert not history.chain.since
    gain = {"name": "gain", "metric": "alignment", "compare": {"loss.beta": [0.25, 4]}, "min_gain": 0.1}
    written = ({**MEAN, "metric": "alignment"}, gain)
    known = [claim for keys in written if (claim := claim_of(keys)) is not None]
    said = " ".join(paragraphs(history, known, judge_sweep(known, history, published.folder)))
    assert "is missing: no claim counts as registered" in said
    assert "mean: a one-sided exact test per configuration" in said  # alignment has a known range
    assert "Exact tests of gains assume that none lies on the other side of 0" in said


def test_claims_that_count_trials_are_not_called_tests(sweep: SweepDir) -> None:
    counted = {"name": "all", "metric": "score", "over": "trials", "within": [0, 1]}
    run(sweep, SEEDS[:4], counted)
    said = text(sweep, counted)
    assert "1 claim was decided by counting trials, without a test." in said
    assert "The tests were" not in said


def test_clocks_that_go_back_are_named_and_change_no_standing(sweep: SweepDir, monkeypatch: pytest.MonkeyPatch) -> None:
    run(sweep, SEEDS[:4], MEAN)
    monkeypatch.setattr("sweeper.ledger.ledger.time.time", lambda: 5.0)
    run(sweep, SEEDS[:5], MEAN, {**MEAN, "mean": {"at_least": 0.1}, "name": "late"})
    said = text(sweep, MEAN, {**MEAN, "mean": {"at_least": 0.1}, "name": "late"})
    assert "The clock went back between two runs" in said
    assert 'The claim "late" is exploratory: written after 4 of 5 results.' in said


def test_as_latex_marks_are_escaped_and_hashes_may_break() -> None:
    made = latex_text(['The claim "a_b & 50 %" holds.', "ab" * 32])
    assert made == "The claim ``a\\_b \\& 50 \\%'' holds.\n\n" + "\\allowbreak{}".join(["abababab"] * 8) + "\n"
