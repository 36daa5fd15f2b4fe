"""Verdicts on real ledgers, made by running small sweeps with a trainer whose truth is known."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.analysis import frames as results
from sweeper.analysis.claims.means import reachable
from sweeper.analysis.claims.verdict import Verdict
from sweeper.analysis.claims.verify import judge, keep_tables, verdicts
from sweeper.ledger.paths import SweepDir
from sweeper.spec.claims.convert import claim as record
from sweeper.spec.claims.keys import ClaimKeys
from sweeper.spec.claims.kinds import AgainstKeys
from sweeper.trial import Record, State
from tests.conftest import TRAINERS
from tests.execution.runs import opened, train
from tests.records import make_end, make_trial

REPEATS = 500  # of each experiment with a known truth

FILE = """\
name: noisy
trainer: noisy:train
metric: {name: score, goal: maximize}
base: {gain: 1.0, spread: %g}
parameters:
  a: {values: [0, 1, 2]}
  b: {values: [0, 1]}
seeds: %d
expect:
  - {name: claimed, metric: score, %s}
"""


def ran(folder: Path, spread: float = 0.01, seeds: int = 3, *overrides: str) -> Path:
    """A results folder with a finished sweep."""
    file = folder / "noisy.yaml"
    file.write_text(FILE % (spread, seeds, "within: [0, 1]"))
    train(file, *overrides)
    return folder / "results"


def judged(results: Path, claim: str, *more: str) -> Verdict:
    """The verdict on a claim about the sweep (the last of several: of one family)."""
    claims = "".join(f"\n  - {{name: claimed, metric: score, {one}}}" for one in (*more, claim))
    file = results / "noisy" / "sweep.yaml"
    file.write_text(file.read_text().partition("expect:")[0] + f"expect:{claims}\n")
    return verdicts(SweepDir(results, "noisy"))[-1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three values of a, two of b, three seeds each; b brings 1; next to no noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TRAINERS))
        yield ran(tmp_path_factory.mktemp("finished"))


CLAIMS = [
    ("within: [-0.5, 3.5]", "pass"),
    ("within: [0.5, 3.5]", "fail"),
    ("within: [0, 3]", "undecided"),
    ("within: [-0.5, null]", "pass"),
    ("within: [-0.1, 3.1], over: trials", "pass"),
    ("within: [0.5, 3.1], over: trials", "fail"),
    ("mean: {at_least: -0.5}", "pass"),
    ("mean: {at_least: 0.5}", "fail"),
    ("mean: {at_most: 3.5}", "pass"),
    ("mean: {at_least: 0.5}, where: a > 0", "pass"),
    ("mean: {at_least: 1}, over: trials", "pass"),
    ("equivalent: {to: 1.5, margin: 0.1}", "pass"),
    ("equivalent: {to: 1.7, margin: 0.1}", "fail"),
    ("equivalent: {to: 1, margin: 0.1}, where: a == 0 and b == 1", "pass"),
    ("equivalent: {to: 1, margin: 0.1}, where: a == 0, over: trials", "fail"),
    ("typical: [0.9, 2.2]", "pass"),
    ("typical: [1.5, 3.5]", "fail"),
    ("typical: [0.9, 2.2], over: trials", "pass"),
    ("typical: [1.5, 2.2], over: trials", "fail"),
    ("best: {at_least: 2.9}", "pass"),
    ("best: {at_least: 3.5}", "fail"),
    ("best: {at_most: 0.1}", "pass"),
    ("best: {at_most: -0.5}", "fail"),
    ("best: {at_least: 2.9}, over: trials", "pass"),
    ("best: {at_least: 3.5}, over: trials", "fail"),
    ("share: {above: 0.5, at_least: 0.8}", "pass"),
    ("share: {above: 1.5, at_least: 0.8}", "fail"),
    ("share: {above: 2.5, at_most: 0.2}", "pass"),
    ("share: {above: 0.5, at_least: 0.2}, over: trials", "pass"),
    ("share: {above: 0.5, at_least: 0.5}, over: trials", "undecided"),  # 15 of 18 trials, but three seeds
    ("share: {above: 2.5, at_least: 0.8}, over: trials", "fail"),
    ("compare: {b: [1, 0]}, min_gain: 0.9", "pass"),
    ("compare: {b: [1, 0]}, min_gain: 1.1", "fail"),
    ("compare: {b: [0, 1]}", "fail"),
    ("compare: {b: [0, 1]}, effect: less, min_gain: 0.9", "pass"),
    ("compare: {b: [0, 1]}, effect: not_lower, margin: 0.1", "fail"),
    ("compare: {b: [0, 1]}, effect: not_lower, margin: 1.1", "pass"),
    ("compare: {b: [1, 0]}, effect: not_higher, margin: 1.1", "pass"),
    ("compare: {a: [1, 0], b: [1, 0]}, min_gain: 1.9", "undecided"),
    ("compare: {a: [2, 0], b: [0, 1]}, min_gain: 1.1", "fail"),
    ("compare: {b: [1, 0]}, where: b == 1", "undecided"),
    ("compare: {b: [1, 0]}, where: c > 1", "undecided"),
    ("interaction: {a: [0, 2], b: [0, 1]}", "undecided"),
    ("monotone: {a: increasing}", "pass"),
    ("monotone: {a: decreasing}", "fail"),
    ("monotone: {b: increasing}", "pass"),
]


@pytest.mark.parametrize(("claim", "outcome"), CLAIMS)
def test_a_claim_holds_or_not(tmp_path: Path, finished: Path, claim: str, outcome: str) -> None:
    verdict = judged(finished, claim)
    assert verdict.outcome == outcome, verdict.sentence
    assert verdict.kind == claim.partition(":")[0]
    assert "\n" not in verdict.sentence
    assert verdict.n > 0 or "no " in verdict.sentence
    json.dumps(verdict.as_json(), allow_nan=False)


def test_two_seeds_that_spread_widely_decide_nothing_and_how_many_would_is_said(tmp_path: Path) -> None:
    verdict = judged(ran(tmp_path, 5.0, 2), "equivalent: {to: 0, margin: 8}, where: a + b == 0")
    assert verdict.outcome == "undecided"
    assert verdict.needed is not None
    assert f"about {verdict.needed} seeds per configuration needed (80 % power)" in verdict.sentence


@pytest.mark.parametrize("claim", ["mean: {at_least: -9}", "equivalent: {to: 1.5, margin: 9}", "within: [-9, 9]"])
def test_one_seed_decides_nothing_about_means(tmp_path: Path, claim: str) -> None:
    verdict = judged(ran(tmp_path, 0.0, 1), claim)
    assert (verdict.outcome, verdict.needed) == ("undecided", 2)
    assert (verdict.ci_low, verdict.ci_high) == (None, None)


def test_a_metric_that_no_trial_reports_is_answered_with_those_that_they_do(finished: Path) -> None:
    file = finished / "noisy" / "sweep.yaml"
    file.write_text(
        file.read_text().partition("expect:")[0] + "expect: [{name: n, metric: skore, mean: {at_least: 0}}]\n"
    )
    assert "no trial has a value of skore; they report score" in verdicts(SweepDir(finished, "noisy"))[-1].sentence


def test_a_claim_is_open_while_trials_are_to_come(tmp_path: Path) -> None:
    results = ran(tmp_path)
    (tmp_path / "noisy.yaml").write_text(FILE % (0.01, 4, "within: [5, 6]"))
    with opened(tmp_path / "noisy.yaml"):
        pass  # planned with a fourth seed, and stopped at once
    [verdict] = verdicts(SweepDir(results, "noisy"))
    assert verdict.outcome == "undecided"
    assert "6 trials still to come" in verdict.sentence


def test_trials_that_diverged_are_named_and_count_in_no_mean(tmp_path: Path) -> None:
    results = ran(tmp_path, 0.01, 3, "diverging=[2]")
    verdict = judged(results, "compare: {b: [1, 0]}, min_gain: 0.9")
    assert (verdict.outcome, verdict.n) == ("pass", 6)
    assert "3 pairs lost; not counted: 3 diverged" in verdict.sentence
    share = judged(results, "share: {above: -1, at_least: 0.1}, over: trials")
    assert share.n == 18
    assert share.effect == pytest.approx(15 / 18)


def test_a_configuration_without_a_result_keeps_a_claim_about_all_open(tmp_path: Path) -> None:
    verdict = judged(ran(tmp_path, 0.01, 2, "diverging=[0,1]"), "within: [-9, 9]")
    assert verdict.outcome == "undecided"
    assert [row.n for row in verdict.rows] == [2, 0, 2, 0, 2, 0]


def test_claims_of_a_family_pay_for_one_another(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "results")
    alone = judged(tmp_path / "results", "compare: {b: [1, 0]}, min_gain: 0.9, family: f")
    claims = ["compare: {b: [1, 0]}, min_gain: 0.98, family: f", "compare: {b: [1, 0]}, min_gain: 0.9, family: f"]
    together = judged(tmp_path / "results", claims[1], claims[0])
    assert alone.p is not None
    assert together.p == pytest.approx(2 * alone.p)
    assert "after Holm in 'f'" in together.sentence


def test_an_end_that_the_metric_itself_cannot_pass_is_not_tested() -> None:
    values = [0.99, 0.995, 1.0]
    assert reachable((0.9, 1.0), values) == (0.9, math.inf)
    assert reachable((0.9, 1.01), values) == (0.9, 1.01)


def test_a_reference_table_is_met_or_not(finished: Path, tmp_path: Path) -> None:
    sweep = SweepDir(finished, "noisy")
    table = sweep.folder / "reference.csv"
    frame = results.configs(sweep, results.history(sweep))
    frame.to_csv(table, index=False)
    assert judged(finished, f"against: {{table: {table}, tolerance: 0.1}}").outcome == "pass"
    frame["score.mean"] += [0.0] * 5 + [1.0]
    frame[["a", "b", "score.mean"]].to_csv(table, index=False)
    verdict = judged(finished, f"against: {{table: {table}, tolerance: 0.1}}")
    assert verdict.outcome == "fail"
    assert "5 of 6 configurations within 0.1 of reference.csv; outside: a=2 b=1" in verdict.sentence
    table.write_text("a,b,score.mean\n0,0\n")
    assert "none of the configurations" in judged(finished, f"against: {{table: {table}}}").sentence
    table.write_text("a,b\n1,2\n")
    assert "has no column score.mean" in judged(finished, f"against: {{table: {table}}}").sentence
    table.unlink()
    assert "cannot be used" in judged(finished, f"against: {{table: {table}}}").sentence
    os.mkfifo(table)  # would wait for its writer
    assert "not a regular file" in judged(finished, f"against: {{table: {table}}}").sentence


def test_where_nothing_is_better_a_compare_claim_passes_about_as_often_as_alpha() -> None:
    claim, rng, passed = record(ClaimKeys(name="n", metric="score", compare={"b": [1, 0]})), np.random.default_rng(), 0
    trials = [make_trial(seed, a=a, b=b) for a in range(3) for b in (0, 1) for seed in range(4)]
    for _ in range(REPEATS):
        noise = rng.normal(size=len(trials))
        records = [Record(t, ended=make_end(t, score=t.params["a"] + e)) for t, e in zip(trials, noise, strict=True)]
        [verdict] = judge([claim], records, Path())
        passed += verdict.outcome == "pass"
    error = math.sqrt(0.05 * 0.95 / REPEATS)
    assert abs(passed / REPEATS - 0.05) < 4.5 * error, passed


@pytest.mark.parametrize("test", [{"mean": {"at_least": 0}}, {"within": [0, 9]}, {"best": {"at_least": 0}}])
def test_at_the_edge_a_claim_about_means_passes_no_more_often_than_alpha(test: dict[str, Any]) -> None:
    claim, rng, passed = record(ClaimKeys(name="n", metric="score", **test)), np.random.default_rng(), 0
    trials = [make_trial(seed, a=a) for a in range(2) for seed in range(4)]
    for _ in range(REPEATS):
        records = [Record(t, ended=make_end(t, score=e)) for t, e in zip(trials, rng.normal(size=8), strict=True)]
        passed += judge([claim], records, Path())[0].outcome == "pass"
    assert passed / REPEATS < 0.05 + 4.5 * math.sqrt(0.05 * 0.95 / REPEATS)


def test_a_reference_table_goes_with_the_results(finished: Path, tmp_path: Path) -> None:
    table = tmp_path / "reference.csv"
    sweep = SweepDir(finished, "noisy")
    results.configs(sweep, results.history(sweep)).to_csv(table, index=False)
    claim = record(ClaimKeys(name="n", metric="score", against=AgainstKeys(table=str(table), tolerance=0.1)))
    keep_tables([claim], sweep.folder)
    table.unlink()
    records = results.history(sweep).planned()
    assert judge([claim], records, sweep.folder)[0].outcome == "pass"


VALUES = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324]))
TESTS = [
    {"within": [0, 1]},
    {"within": [0, None], "over": "trials"},
    {"typical": [0, 1]},
    {"typical": [0, 1], "over": "trials"},
    {"mean": {"at_most": 0}},
    {"mean": {"at_least": 0}, "over": "trials"},
    {"best": {"at_least": 1}},
    {"best": {"at_most": 1}, "over": "trials"},
    {"share": {"above": 0, "at_least": 0.5}},
    {"share": {"below": 0, "at_most": 0.5}, "over": "trials"},
    {"equivalent": {"to": 0, "margin": 1}},
    {"equivalent": {"to": 0, "margin": 1}, "over": "trials"},
    {"compare": {"b": [1, 0]}},
    {"compare": {"b": [1, 0], "a": [0, 2]}, "effect": "not_higher"},
    {"interaction": {"a": [0, 2], "b": [0, 1]}},
    {"interaction": {"a": [1, 0], "b": [0, 1]}, "effect": "not_lower", "margin": 0.1},
    {"monotone": {"a": "increasing"}},
    {"monotone": {"b": "decreasing"}},
]


@given(st.lists(st.tuples(VALUES, st.sampled_from(State)), min_size=12, max_size=12), st.sampled_from(TESTS))
def test_whatever_the_trials_gave_there_is_a_verdict(ends: list[tuple[float, State]], test: dict[str, Any]) -> None:
    trials = [make_trial(seed, a=a, b=b) for a in range(3) for b in range(2) for seed in range(2)]
    records = []
    for trial, (score, state) in zip(trials, ends, strict=True):
        over = state not in (State.PENDING, State.RUNNING)
        records.append(Record(trial, ended=make_end(trial, state, score=score) if over else None))
    claim = record(ClaimKeys(name="n", metric="score", family="f", **test))
    for verdict in judge([claim, claim], records, Path()):
        json.dumps(verdict.as_json(), allow_nan=False)
        assert verdict.outcome in ("pass", "fail", "undecided")
        assert "nan" not in verdict.sentence


@pytest.mark.parametrize(
    ("claimed", "gain", "outcome"),
    [
        ({"effect": "not_lower", "margin": 0.01}, 0.0, "undecided"),  # a seed in 100 may lose all
        ({"effect": "not_lower", "margin": 0.01, "test": "t"}, 0.0, "pass"),
        ({"effect": "not_lower", "margin": 0.01}, -0.1, "fail"),
        ({"min_gain": 0.1}, 0.3, "pass"),
        ({"min_gain": 0.1}, 0.0, "undecided"),  # a seed in ten may gain all
        ({"min_gain": 0.1, "test": "exact"}, 0.3, "undecided"),  # and a seed in seven may lose all
    ],
)
def test_what_seeds_show_can_be_decided_and_what_none_of_them_shows_takes_many(
    claimed: dict[str, Any], gain: float, outcome: str
) -> None:
    for kind, sides in (("compare", {"b": [1, 0]}), ("interaction", {"a": [0, 1], "b": [0, 1]})):
        if kind == "interaction" and claimed.get("test") == "exact":
            continue
        keys = {"name": "n", "metric": "score", "range": [0, 1], kind: sides, **claimed}
        trials = [make_trial(seed, a=a, b=b) for a in (0, 1) for b in (0, 1) for seed in range(6)]
        share = 1.0 if kind == "compare" else 0.0
        score = [0.5 + gain * t.varied["b"] * max(share, t.varied["a"]) for t in trials]  # type: ignore[operator, type-var]
        found = [Record(t, 1, ended=make_end(t, score=s)) for t, s in zip(trials, score, strict=True)]
        [verdict] = judge([record(ClaimKeys.model_validate(keys))], found, Path())
        assert verdict.outcome == outcome, kind
        assert verdict.test == claimed.get("test", "exact")
