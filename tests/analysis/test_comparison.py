from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from sweeper.analysis.comparison import Comparison, compare
from sweeper.cli.app import app
from sweeper.errors import UsageError
from sweeper.ledger.history import read_history
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.trial import State, Trial, Value, config_key, trial_key
from tests.records import make_end, make_trial

PACKAGES = {"torch": "2.13.0", "ray": "2.60.0"}


def written(
    results: Path,
    scores: dict[tuple[float, int], float],
    packages: dict[str, str] = PACKAGES,
    code: str = "c0de",
    base: dict[str, Value] | None = None,
) -> SweepDir:
    """A sweep whose configuration `a` had this score with this seed (NaN: it diverged)."""
    sweep = SweepDir(results, "toy")
    base = base or {}
    configs = {a: config_key("imaginary", {**base, "a": a}) for a, _ in scores}
    trials = [
        Trial(trial_key(configs[a], seed, code), configs[a], seed, {"a": a}, base, "imaginary", code)
        for a, seed in scores
    ]
    with Ledger(sweep) as book:
        made = {"packages": packages, "labels": {"unused": {"short": results.name}}}  # for eyes: no difference
        book.run("name: toy\nparameters: {a: {values: [1, 2]}}\n", made, trials, read_history(sweep))
        for trial, score in zip(trials, scores.values(), strict=True):
            lost = math.isnan(score)
            book.record(make_end(trial, State.DIVERGED) if lost else make_end(trial, score=score, other=1.0))
    return sweep


def compared(one: SweepDir, other: SweepDir) -> Comparison:
    return compare(read_history(one), read_history(other))


def drawn(rng: np.random.Generator, seeds: range, shift: float = 0.0) -> dict[tuple[float, int], float]:
    return {(a, seed): float(a + (shift if a == 2 else 0) + 0.1 * rng.normal()) for a in (1, 2) for seed in seeds}


def test_a_sweep_against_itself_has_not_moved(tmp_path: Path) -> None:
    sweep = written(tmp_path, drawn(np.random.default_rng(), range(3)))
    found = compared(sweep, sweep)
    assert (found.both, found.same_trials, found.only_a, found.only_b, found.changes) == (2, 6, (), (), ())
    assert [metric.moved for metric in found.metrics] == [False, False]


def test_by_seed_where_both_have_it_the_shift_is_scipys_paired_interval(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    one, other = drawn(rng, range(6)), drawn(rng, range(6), shift=5)
    found = compared(written(tmp_path / "a", one), written(tmp_path / "b", other, code="cafe"))
    score = found.metrics[0]
    gaps = np.array([[other[a, s] - one[a, s] for s in range(6)] for a in (1, 2)])
    for shift, gap in zip(score.configs, gaps, strict=True):
        interval = stats.t.interval(0.95, 5, gap.mean(), stats.sem(gap))
        assert [shift.ci_low, shift.ci_high] == pytest.approx(interval, abs=1e-9)
        assert (shift.by, shift.n) == ("seeds", 6)
    assert [shift.moved for shift in score.configs] == [False, True]
    assert score.moved
    assert ("code", "c0de", "cafe") in found.changes


def test_the_means_are_those_of_the_seeds_that_are_compared(tmp_path: Path) -> None:
    scores = drawn(np.random.default_rng(), range(6))
    fewer = {(a, seed): score for (a, seed), score in scores.items() if seed < 2}
    found = compared(written(tmp_path / "a", fewer), written(tmp_path / "b", scores))
    for shift in (found.metrics[0].overall, *found.metrics[0].configs):
        assert shift.b == pytest.approx(shift.a)
        assert shift.shift == 0


def test_sweeps_that_differ_in_a_setting_as_a_whole_are_aligned_by_the_others(tmp_path: Path) -> None:
    scores = drawn(np.random.default_rng(), range(3))
    one, other = (written(tmp_path / str(steps), scores, base={"steps": steps, "width": 8}) for steps in (300, 600))
    found = compared(one, other)
    assert (found.both, found.only_a, found.only_b, found.same_trials) == (2, (), (), 0)
    assert found.changes[0] == ("steps", "300", "600")


def test_with_other_seeds_the_interval_is_welchs(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    one, other = drawn(rng, range(4)), drawn(rng, range(10, 15))
    shift = compared(written(tmp_path / "a", one), written(tmp_path / "b", other)).metrics[0].configs[0]
    samples = [[value for (a, _), value in scores.items() if a == 1] for scores in (other, one)]
    interval = stats.ttest_ind(*samples, equal_var=False).confidence_interval()
    assert [shift.ci_low, shift.ci_high] == pytest.approx([interval.low, interval.high], abs=1e-9)
    assert shift.by == "welch"


def test_with_one_seed_there_is_no_interval_and_nothing_is_called_moved(tmp_path: Path) -> None:
    metric = compared(written(tmp_path / "a", {(1, 0): 0.0}), written(tmp_path / "b", {(1, 0): 9.0})).metrics[0]
    assert (metric.configs[0].by, metric.configs[0].ci_low, metric.moved) == ("single", None, False)


def test_noise_alone_seldom_counts_as_a_move(tmp_path: Path) -> None:
    rng, moved = np.random.default_rng(), 0
    for repeat in range(60):
        one, other = (written(tmp_path / f"{repeat}{side}", drawn(rng, range(4))) for side in "ab")
        moved += compared(one, other).metrics[0].moved
    assert moved <= 16  # two families at 5 %: more than 16 of 60 has a chance below 1 in 10 000


def test_what_is_in_one_only_is_named(tmp_path: Path) -> None:
    one = written(tmp_path / "a", {(1, 0): 1.0, (2, 0): 1.0})
    other = written(tmp_path / "b", {(2, 0): 1.0, (3, 0): 1.0}, {**PACKAGES, "torch": "2.14.0"})
    found = compared(one, other)
    assert (found.only_a, found.only_b, found.both) == (("a=1",), ("a=3",), 1)
    assert found.changes == (("packages: torch", "2.13.0", "2.14.0"),)


def test_long_values_are_compared_whole_and_shown_cut(tmp_path: Path) -> None:
    one, other = (written(tmp_path / end, {(1, 0): 1.0}, {"torch": "long " * 60 + end}) for end in "ab")
    [(what, a, b)] = compared(one, other).changes
    assert (what, a, b) == ("packages: torch", ("long " * 40) + "...", ("long " * 40) + "...")


def test_a_trainer_with_a_new_setting_is_still_aligned(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", {(1, 0): 1.0}), SweepDir(tmp_path / "b", "toy")
    trial = make_trial(0, a=1, new=True)
    with Ledger(other) as book:
        book.run("name: toy\n", {"packages": PACKAGES}, [trial], read_history(other))
        book.record(make_end(trial, score=2.0))
    found = compared(one, other)
    assert (found.both, found.changes) == (1, (("settings", "", "new"),))


def test_the_command_prints_it_in_words_and_as_json(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one = written(tmp_path / "a", drawn(rng, range(6)))
    other = written(tmp_path / "b", drawn(rng, range(6), shift=5), code="cafe")
    words = ["compare", "toy", str(other.folder), "--results", str(one.results)]
    said = CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "120"}).stdout
    assert "2 configurations in both" in said
    assert "a=2" in said
    assert "1 of 2 metrics within seed noise" in said
    assert "code  c0de → cafe" in said
    document = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert (document["schema_version"], document["both"], document["metrics"][0]["moved"]) == (1, 2, True)
    with pytest.raises(UsageError, match="no such metric"):
        CliRunner().invoke(app, [*words, "--metrics", "skore"], catch_exceptions=False)
