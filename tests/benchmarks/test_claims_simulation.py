from __future__ import annotations

import pytest
from claims_simulation import KINDS, families, rates
from scipy.stats import binom

REPEATS = 100
MOST = int(binom.isf(1e-4, REPEATS, 0.06))  # more passes than this: the rate is above alpha + 1 %


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "cost" not in kind])
def test_a_claim_at_the_edge_of_being_true_passes_seldom(kind: str) -> None:
    for family in families():
        assert rates(kind, family, 5, REPEATS)[0] * REPEATS <= MOST, family.name
