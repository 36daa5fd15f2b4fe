"""What the trainer is for, over a few seeds: exclusivity aligns latents with strategies where x cannot replace z."""

import pytest

from sweeper.cvae.training.pack import train_pack
from tests.cvae.training.packs import Trial as SmallTrial
from tests.cvae.training.packs import Waiting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEEDS = (0, 1, 2)


class Trial(SmallTrial):
    """One of full size."""

    def __init__(self, params):
        super().__init__()
        self.params = params


def finals(*, seeds=SEEDS, **params):
    settings = {key.replace("__", "."): value for key, value in params.items()} | {"train.report_every": 100_000}
    trials = [Trial(settings | {"seed": seed}) for seed in seeds]
    train_pack(Waiting(trials))
    return [trial.final for trial in trials]


# 2 000 steps: with 1 200 the learning rate falls too early, and rounding (one thread or two) decided between alignments
# of 0.75 and 1.00. With 2 000, six seeds of six reached 1.00.
ORDERED_SUM = {"task__name": "ordered_sum", "loss__beta": 1.0, "train__steps": 2000}


def test_on_ordered_sum_a_model_without_the_divergence_collapses():
    found = finals(seeds=SEEDS[:2], **ORDERED_SUM)  # three minutes for three
    assert all(metrics["task_accuracy"] >= 0.985 for metrics in found)
    assert all(metrics["alignment"] < 0.27 for metrics in found)


def test_on_ordered_sum_the_divergence_aligns_latents_with_strategies():
    found = finals(**ORDERED_SUM, loss__inter_latent_divergence_weight=1.0)
    assert all(metrics["task_accuracy"] >= 0.985 for metrics in found)
    assert sum(metrics["alignment"] > 0.9 for metrics in found) >= 2, [m["alignment"] for m in found]


def test_on_the_implicit_detour_latents_become_exclusive_and_mean_nothing():
    """Any relabelling of z that depends on x is as good an optimum: the negative control."""
    found = finals(
        task__name="detour",
        task__reveal="implicit",
        task__modulus=16,
        loss__beta=0.5,
        loss__router_marginal_kl_to_prior_weight=1.0,
        loss__inter_latent_divergence_weight=1.0,
        train__steps=800,
    )
    for metrics in found:
        ceiling = metrics["diagnostics/inter_latent_jsd/ceiling"]
        assert metrics["diagnostics/inter_latent_jsd/weighted_mean"] > 0.85 * ceiling
        assert metrics["alignment"] < 0.27
