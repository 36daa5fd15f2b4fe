"""Agreement of latents and strategies on tables made by hand, and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score

from sweeper.cvae.evaluation import alignment

LABELS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=2, max_size=60)


def one_hot(labels, classes=6):
    return torch.nn.functional.one_hot(torch.as_tensor(labels), classes).float()


def cross_fitted(posterior_BK, strategy_B, strategies=6):
    halves_B = torch.arange(len(strategy_B)) // strategies % 2 == 0
    return alignment.cross_fitted_alignment(posterior_BK, torch.as_tensor(strategy_B), strategies, halves_B)


STRATEGIES = list(range(6)) * 20


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [3, 5, 0, 1, 4, 2]])
def test_perfect_and_permuted_latents_are_aligned(order):
    posterior_BK = one_hot([order[s] for s in STRATEGIES])
    assert cross_fitted(posterior_BK, STRATEGIES) == 1.0
    assert alignment.hard_alignment(posterior_BK, torch.tensor(STRATEGIES), 6) == 1.0


def test_a_collapsed_router_scores_one_over_k():
    collapsed_BK = torch.full((120, 6), 1 / 6)
    assert cross_fitted(collapsed_BK, STRATEGIES) == pytest.approx(1 / 6)
    assert cross_fitted(one_hot([2] * 120), STRATEGIES) == pytest.approx(1 / 6)
    assert alignment.is_tie(collapsed_BK)
    assert not alignment.is_tie(one_hot([2] * 120))


def test_independent_latents_score_one_over_k_and_carry_no_information():
    generator = torch.Generator().manual_seed(0)
    strategy_B = torch.tensor(list(range(6)) * 2000)
    posterior_BK = one_hot(torch.randint(6, (12_000,), generator=generator))
    assert cross_fitted(posterior_BK, strategy_B) == pytest.approx(1 / 6, abs=0.01)
    table_KS = alignment.contingency(posterior_BK, strategy_B, 6)
    assert alignment.normalised_information(table_KS) < 0.001
    assert abs(alignment.adjusted_information(table_KS)) < 0.001


def test_the_in_sample_matching_of_independent_labels_lies_above_chance():
    generator = torch.Generator().manual_seed(0)
    posterior_BK = one_hot(torch.randint(6, (1536,), generator=generator))
    assert 0.17 < alignment.hard_alignment(posterior_BK, torch.tensor(list(range(6)) * 256), 6) < 0.22


def test_fewer_latents_than_strategies_leave_some_unmatched():
    posterior_BK = one_hot([s // 2 for s in STRATEGIES], 3)
    assert cross_fitted(posterior_BK, STRATEGIES) == pytest.approx(0.5)


def test_more_latents_than_strategies_split_them():
    strategies = [0, 1, 2] * 40
    posterior_BK = one_hot([s + 3 * (i // 6 % 2) for i, s in enumerate(strategies)])
    assert cross_fitted(posterior_BK, strategies, 3) == pytest.approx(0.5)


def test_a_soft_posterior_counts_by_its_mass():
    posterior_BK = 0.7 * one_hot(STRATEGIES) + 0.3 / 6
    assert cross_fitted(posterior_BK, STRATEGIES) == pytest.approx(0.75)


def test_what_follows_no_strategy_counts_as_wrong():
    written = [s if i % 4 else -1 for i, s in enumerate(STRATEGIES)]
    assert cross_fitted(one_hot(STRATEGIES), written) == pytest.approx(0.75)


def test_the_contingency_of_one_hot_labels_counts_them():
    table_KS = alignment.contingency(one_hot([0, 0, 1, 2], 3), torch.tensor([1, 1, 0, -1]), 2)
    assert table_KS.tolist() == [[0, 2], [1, 0], [0, 0]]


@settings(deadline=None, max_examples=60)
@given(LABELS)
def test_adjusted_information_is_scikit_learns(labels):
    latents, strategies = zip(*labels, strict=True)
    table_KS = alignment.contingency(one_hot(latents), torch.tensor(strategies), 5)
    wanted = adjusted_mutual_info_score(strategies, latents)
    assert alignment.adjusted_information(table_KS) == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(LABELS)
def test_normalised_information_is_scikit_learns_less_its_bias(labels):
    latents, strategies = zip(*labels, strict=True)
    table_KS = alignment.contingency(one_hot(latents), torch.tensor(strategies), 5)
    counts = np.bincount(strategies) / len(strategies)
    entropy = -sum(p * math.log(p) for p in counts if p > 0)
    bias = (len(set(latents)) - 1) * (len(set(strategies)) - 1) / (2 * len(labels))
    wanted = (mutual_info_score(strategies, latents) - bias) / entropy if entropy else 0.0
    assert alignment.normalised_information(table_KS) == pytest.approx(min(1.0, max(0.0, wanted)), abs=1e-9)


def test_one_strategy_alone_leaves_nothing_to_know():
    """Its probability may sum to 1 less a rounding error, and then has an entropy."""
    assert alignment.normalised_information(torch.tensor([[4.0], [1.0], [1.0]]).double()) == 0.0


def many_to_one(posterior_BK, strategy_B):
    return alignment.many_to_one_alignment(
        posterior_BK, torch.as_tensor(strategy_B), 6, torch.arange(120) // 6 % 2 == 0
    )


def test_a_strategy_that_two_latents_share_costs_nothing_many_to_one():
    shared_BK = (one_hot(STRATEGIES, 12) + one_hot([s + 6 for s in STRATEGIES], 12)) / 2
    assert many_to_one(shared_BK, STRATEGIES) == pytest.approx((1.0, 1 / 6))
    assert alignment.cross_fitted_alignment(
        shared_BK, torch.as_tensor(STRATEGIES), 6, torch.arange(120) // 6 % 2 == 0
    ) == pytest.approx(0.5)


def test_many_to_one_is_at_chance_where_z_says_nothing_and_does_not_gain_by_fitting():
    assert many_to_one(torch.full((120, 12), 1 / 12), STRATEGIES) == pytest.approx((1 / 6, 1 / 6))
    generator = torch.Generator().manual_seed(0)
    found = [many_to_one(torch.rand(120, 24, generator=generator).softmax(-1), STRATEGIES)[0] for _ in range(50)]
    assert sum(found) / len(found) == pytest.approx(1 / 6, abs=0.01)
    skewed = [0] * 60 + [1, 2, 3, 4, 5, 0] * 10
    assert many_to_one(torch.full((120, 3), 1 / 3), skewed) == pytest.approx((7 / 12, 7 / 12))
