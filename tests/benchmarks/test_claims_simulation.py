from __future__ import annotations

import pytest
from claims_simulation import KINDS, families, rates
from scipy.stats import binom

REPEATS = 100
MOST = int(binom.isf(1e-4, REPEATS, 0.06))  # more passes than this: the rate is above alpha + 1 %


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_at_the_edge_of_being_true_seldom_passes_or_fails(kind: str) -> None:
    for family in families():
        assert max(rates(kind, family, 5, REPEATS)) * REPEATS <= MOST, family.name
