"""What a look makes of a claim: families share alpha, futility ends what cannot pass, facts need no look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.analysis.claims.looks import ClaimProgress
from sweeper.analysis.claims.spending import levels
from sweeper.analysis.claims.verify import progress_at_looks
from sweeper.spec.claims.convert import claim_of
from sweeper.spec.claims.records import Claim
from sweeper.spec.sweep import LookPlan
from sweeper.trial import Record
from tests.records import make_end, make_trial

PLAN = LookPlan(start=6, most=30)
HIGH: dict[str, Any] = {"name": "high", "metric": "score", "mean": {"at_least": 0.0}}


def claim(**keys: Any) -> Claim:
    found = claim_of({**HIGH, **keys})
    assert found is not None
    return found


def records(seeds: int, score: Callable[[int, int], float], configs: int = 1) -> list[Record]:
    trials = [make_trial(seed, x=x) for x in range(configs) for seed in range(seeds)]
    return [Record(one, 1, ended=make_end(one, score=score(one.varied["x"], one.seed))) for one in trials]  # type: ignore[arg-type]


def looked(claims: list[Claim], found: list[Record], plan: LookPlan = PLAN) -> list[ClaimProgress]:
    return progress_at_looks(claims, found, Path(), plan, [])


def outcomes(one: ClaimProgress) -> list[tuple[int, str]]:
    return [(look.seeds, look.outcome) for look in one.looks]


def noise(x: int, seed: int) -> float:
    return float(np.random.default_rng([x, seed]).normal())


def test_a_look_waits_for_every_seed_of_its_batch() -> None:
    found = records(6, noise)
    [one] = looked([claim(mean={"at_least": -0.3})], found)
    assert outcomes(one) == [(6, "open")]
    assert one.looks[0].test == "t"
    assert one.waits_for == [(found[0].trial.config, seed) for seed in range(6, 11)]
    [early] = looked([claim()], found[:5])
    assert (early.looks, early.waits_for) == ([], [(found[0].trial.config, 5)])


def test_what_is_clear_passes_or_fails_at_the_first_look() -> None:
    found = records(6, lambda x, seed: 5 + noise(x, seed) / 100)
    assert outcomes(looked([claim()], found)[0]) == [(6, "pass")]
    assert outcomes(looked([claim(mean={"at_least": 10})], found)[0]) == [(6, "fail")]


def test_a_claim_that_cannot_pass_is_futile_and_one_that_will_fail_next_goes_on() -> None:
    doubtful = records(6, lambda x, seed: (-1.0) ** seed)  # two standard errors below 0.9
    assert outcomes(looked([claim(mean={"at_least": 0.9})], doubtful)[0]) == [(6, "futile")]
    assert outcomes(looked([claim(mean={"at_least": 0.9})], doubtful, LookPlan(6, 30, futility=0))[0]) == [(6, "open")]
    assert outcomes(looked([claim(mean={"at_least": 2.7})], doubtful)[0]) == [(6, "open")]  # six standard errors


def test_the_claims_of_a_family_share_alpha_until_one_passes() -> None:
    found = records(6, lambda x, seed: 5 * x + noise(x, seed) / 100, configs=2)
    one, other = looked(
        [claim(where="x == 1", family="f"), claim(where="x == 0", mean={"at_least": -0.0001}, family="f")], found
    )
    fractions = tuple(size / PLAN.most for size in PLAN.sizes)
    assert one.last is not None
    assert other.last is not None
    assert one.last.level == levels(fractions, 0.05 / 2)[0]
    assert one.last.outcome == "pass"
    assert other.last.level == levels(fractions, 0.05)[0]


def test_a_claim_that_counts_trials_asks_for_none() -> None:
    [one] = looked([claim(over="trials", mean=None, within=[-10, 10])], records(6, noise))
    assert one.counted
    assert (one.looks, one.waits_for, one.is_open) == ([], [], False)


def test_a_claim_without_any_value_ends_as_futile() -> None:
    [one] = looked([claim(metric="absent")], records(6, noise))
    assert outcomes(one) == [(6, "futile")]


def test_null_sweeps_pass_and_fail_with_about_alpha() -> None:
    """60 sweeps, seeded; the table in tests/benchmarks/claims_power.md has 2 000 of each kind."""
    rng, plan = np.random.default_rng(5), LookPlan(6, 30, looks=4, futility=0)
    found = []
    for values in rng.normal(0, 1, (60, 30)):
        [one] = looked([claim()], records(30, lambda x, seed, v=values: float(v[seed])), plan)  # type: ignore[misc]
        found.append(one.looks[-1].outcome)
    assert found.count("pass") <= 8
    assert found.count("fail") <= 8
    assert found.count("undecided") >= 48
