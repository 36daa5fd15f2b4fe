"""The assignment of latents to strategies, against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from sweeper.cvae.evaluation.matching import best_matching

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
SCORES = SHAPES.flatmap(lambda shape: arrays(float, shape, elements=st.floats(0, 100)))


@settings(deadline=None, max_examples=150)
@given(SCORES)
def test_the_matching_is_as_good_as_scipys(score_KS):
    match = best_matching(score_KS.tolist())
    rows, columns = linear_sum_assignment(score_KS, maximize=True)
    given_out = [s for s in match if s >= 0]
    assert len(set(given_out)) == len(given_out) == min(score_KS.shape)
    assert sum(score_KS[k, s] for k, s in enumerate(match) if s >= 0) == pytest.approx(score_KS[rows, columns].sum())


def test_a_permutation_is_found():
    order = [2, 0, 3, 1]
    assert best_matching(np.eye(4)[order].tolist()) == order


def test_of_too_many_latents_some_get_nothing():
    assert best_matching([[1.0], [5.0], [2.0]]) == [-1, 0, -1]
    assert best_matching([[1.0, 5.0, 2.0]]) == [1]
