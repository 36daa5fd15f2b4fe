from __future__ import annotations

import claims_rates
import pytest
from claims_simulation import KINDS, families, rates
from scipy.stats import binom

REPEATS = 100
MOST = int(binom.isf(1e-4, REPEATS, 0.06))  # more passes than this: the rate is above alpha + 1 %


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_at_the_edge_of_being_true_seldom_passes_or_fails(kind: str) -> None:
    for family in families():
        assert max(rates(kind, family, 5, REPEATS)) * REPEATS <= MOST, family.name


@pytest.mark.parametrize("kind", ["mean", "best", "compare", "share over trials"])
def test_a_success_rate_at_its_bound_passes_and_fails_seldom(kind: str) -> None:
    for rate, luck in ((0.8, 0.0), (0.9, 0.6)):
        assert max(claims_rates.rates(kind, rate, luck, 10, REPEATS)) * REPEATS <= MOST, (rate, luck)
