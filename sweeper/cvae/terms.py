"""The terms of the loss, each declared once: its weight and the metric that reports it. Imports no torch.

A weighted term is a field of :class:`LossWeightSettings`, and its formula the function of its name in
``losses.FORMULAS``. Settings, schedules, metrics, the objective and the watch for divergence follow from these.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from sweeper.cvae.settings import Setting, setting


@dataclass(frozen=True, slots=True)
class LossTerm:
    """A term: the name of its formula, what it is, and its metric (default: ``loss/NAME``)."""

    name: str
    description: str
    reported_as: str = ""

    @property
    def metric(self) -> str:
        """The name of the metric that reports it, unweighted, on the test split."""
        return self.reported_as or f"loss/{self.name}"


def _weight(term: LossTerm, default: float, description: str, **limits: Any) -> Any:
    """A field that holds the weight of ``term``."""
    return field(default=default, metadata={"setting": Setting(default, description, **limits), "term": term})


@dataclass(frozen=True, slots=True)
class LossWeightSettings:
    """One weight per term: L = (1 - rho) R + rho R_tw + beta KL + w_H H + w_M M + w_S Supp - w_J J."""

    beta: float = _weight(
        LossTerm("posterior_kl", "mean KL(q || p), [0, ln K] nats"), 1.0, "weight of KL(q(z|x,y) || p(z))", low=0
    )
    posterior_entropy_weight: float = _weight(
        LossTerm("posterior_entropy", "mean entropy of q(z|x,y), [0, ln K] nats", "posterior_entropy"),
        0.0,
        "weight of H(q): > 0 sharpens the router, < 0 smooths it",
    )
    router_marginal_kl_to_prior_weight: float = _weight(
        LossTerm("router_marginal_kl", "KL(mean q || p) over the whole split, nats"),
        0.0,
        "weight of KL(mean q || p), the InfoVAE term",
    )
    router_support_weight: float = _weight(
        LossTerm("router_support", "mean squared shortfall of the latents' use, [0, 1]"),
        0.0,
        "weight of the penalty on latents used less than the floor",
        low=0,
    )
    inter_latent_divergence_weight: float = _weight(
        LossTerm("inter_latent_jsd", "minus J, [-ln K, 0] nats"), 0.0, "weight of the token-weighted inter-latent JSD"
    )
    token_weighted_reconstruction_weight: float = _weight(
        LossTerm("token_weighted_reconstruction", "R weighted by the baseline's NLL, in the unit of R"),
        0.0,
        "share of the reconstruction weighted by the baseline's NLL",
        low=0,
        high=1,
    )


TERM_OF_WEIGHT: dict[str, LossTerm] = {
    weight.name: weight.metadata["term"] for weight in dataclasses.fields(LossWeightSettings)
}
SHARE = "token_weighted_reconstruction_weight"  # the one weight that mixes two terms; each other adds its own
ADDED = {weight: term for weight, term in TERM_OF_WEIGHT.items() if weight != SHARE}
RECONSTRUCTIONS = (
    LossTerm("reconstruction", "R, nats a sequence (reduction sum) or a token (mean)"),
    TERM_OF_WEIGHT[SHARE],
)
TERMS = (*RECONSTRUCTIONS, *ADDED.values())

# Under a uniform prior KL = I + M and H = ln K - I - M, with I = I(z;x,y): the loss depends on three weights through
# two sums.
DEPENDENT_WEIGHTS = ("loss.beta", "loss.router_marginal_kl_to_prior_weight", "loss.posterior_entropy_weight")
INDEPENDENT_SUMS = (
    "loss.beta - loss.posterior_entropy_weight",
    "loss.beta + loss.router_marginal_kl_to_prior_weight - loss.posterior_entropy_weight",
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a loss weight comes to its value during training."""

    kind: str = setting(
        "constant",
        "constant; linear or cosine ramp from initial to the weight; delayed: initial until `end`",
        choices=("constant", "linear", "delayed", "cosine"),
    )
    initial: float = setting(0.0, "value before the ramp")
    start: float = setting(0.0, "share of the steps at which the ramp begins", low=0, high=1)
    end: float = setting(0.3, "share of the steps at which the weight is reached", low=0, high=1)


Schedules = dataclasses.make_dataclass(
    "Schedules",
    [(weight, Schedule, field(default_factory=Schedule)) for weight in TERM_OF_WEIGHT],
    namespace={"__doc__": "One schedule per loss weight, under the weight's own name.", "__module__": __name__},
    frozen=True,
    slots=True,
)


BASELINE, ORACLE_FORK, LOOKAHEAD = "baseline", "oracle_fork", "lookahead"
WEIGHTINGS = (BASELINE, "uniform", "posterior", ORACLE_FORK, LOOKAHEAD)
"""What a token weighs in J and in R_tw. baseline: the NLL of the z-free baseline; posterior: that of the model itself,
z summed out by its posterior given the prefix; uniform: 1; oracle_fork: 1 where the task's strategies part, else 0;
lookahead: KL(p1 || p0), what the rest of the trace says about the token beyond its prefix."""


@dataclass(frozen=True, slots=True)
class DisentanglementLossConfig(LossWeightSettings):
    """The loss: the weight of each term, how each is scheduled, and what else shapes the terms."""

    reduction: str = setting(
        "sum", "reconstruction in nats a sequence, or a token (beta then acts T-fold)", choices=("sum", "mean")
    )
    support_floor: float = setting(0.5, "each latent should hold this share of 1/K", low=0.01, high=1)
    marginal_ema: float = setting(
        0.0, "memory of the marginal of q, a step; 0: this minibatch alone", low=0, high=0.999
    )
    token_weighting: str = setting(
        BASELINE, "what a token weighs in the inter-latent JSD", choices=WEIGHTINGS, added=True
    )
    reconstruction_weighting: str = setting(
        BASELINE, "what a token weighs in the token-weighted reconstruction", choices=WEIGHTINGS, added=True
    )
    jsd_mixture: str = setting(
        "uniform",
        "weights of the latents in the JSD: all alike, or their posterior given the prefix",
        choices=("uniform", "posterior"),
        added=True,
    )
    schedules: Any = field(default_factory=Schedules)
