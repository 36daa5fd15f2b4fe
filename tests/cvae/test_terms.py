"""A loss term is declared once: what its declaration promises is there."""

import pytest
import torch

from sweeper.cvae.config import DEFAULTS, METRICS
from sweeper.cvae.losses import FORMULAS
from sweeper.cvae.objective import LossForm, combine, score
from sweeper.cvae.terms import ADDED, DEPENDENT_WEIGHTS, TERM_OF_WEIGHT, TERMS
from sweeper.cvae.training.step import WATCHED
from tests.cvae.networks.networks import batch_of, network, weights_of


def test_every_term_has_a_formula_a_metric_and_a_place_among_what_can_diverge():
    assert {term.name for term in TERMS} == FORMULAS.keys()
    assert {term.metric: term.description for term in TERMS}.items() <= METRICS.items()
    assert {term.name for term in TERMS} <= set(WATCHED)


def test_every_weight_is_a_setting_with_a_schedule():
    for weight in TERM_OF_WEIGHT:
        assert f"loss.{weight}" in DEFAULTS
        assert DEFAULTS[f"loss.schedules.{weight}.kind"] == "constant"
    assert set(DEPENDENT_WEIGHTS) <= DEFAULTS.keys()


@pytest.mark.parametrize("weight", ADDED)
def test_a_weight_adds_its_own_term_and_nothing_else(weight):
    model, batch = network(1, torch.float64), batch_of(1, dtype=torch.float64)
    with torch.no_grad():
        scores = score(model(*batch), batch)
    marginal_K = scores.log_q_BK.exp().mean(0)
    first, second = (
        combine(scores, batch.mask_BT, weights_of(torch.float64, **{weight: value}), marginal_K, LossForm())
        for value in (0.25, 1.25)
    )
    assert float(second["total"] - first["total"]) == pytest.approx(float(first[ADDED[weight].name]), rel=1e-9)
    assert all(torch.equal(first[name], second[name]) for name in first if name != "total")
