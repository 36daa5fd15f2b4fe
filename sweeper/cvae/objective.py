"""The whole loss of one minibatch: a pure function of the networks' outputs and of weights that are tensors.

Nothing here branches on a weight's value, and all of it runs on stacked networks with stacked weights [M], giving a
loss per member: see transformer.py.
Shapes: B batch, K latents, T target positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from sweeper.cvae import losses
from sweeper.cvae.losses import TokenScores
from sweeper.cvae.networks.model import CVAEOutput, SharedDiscreteCVAE
from sweeper.cvae.tasks import Batch
from sweeper.cvae.terms import (
    ADDED,
    BASELINE,
    RECONSTRUCTIONS,
    SHARE,
    TERM_OF_WEIGHT,
    TERMS,
    DisentanglementLossConfig,
)


class LossWeights(NamedTuple):
    """What steers the loss, as tensors [] or [M]: the weight of each term by its setting, and what shapes the terms."""

    of_terms: Mapping[str, Tensor]
    marginal_ema: Tensor
    token_weight_warmup: Tensor
    support_floor: Tensor

    @classmethod
    def of(cls, values: Mapping[str, Tensor]) -> LossWeights:
        """The weights among values by name."""
        shaping = (values[name] for name in cls._fields if name != "of_terms")
        return cls({name: values[name] for name in TERM_OF_WEIGHT}, *shaping)


class LossForm(NamedTuple):
    """What chooses among formulas: the same for all members of a pack."""

    per_token: bool = False
    token_weighting: str = BASELINE
    reconstruction_weighting: str = BASELINE
    jsd_mixture: str = "uniform"

    @classmethod
    def of(cls, config: DisentanglementLossConfig) -> LossForm:
        """The form that these settings describe."""
        chosen = config.token_weighting, config.reconstruction_weighting, config.jsd_mixture
        return cls(config.reduction == "mean", *chosen)

    def uses(self, weighting: str) -> bool:
        """Whether some term has this weighting."""
        return weighting in (self.token_weighting, self.reconstruction_weighting)


Terms = Mapping[str, Tensor]
"""Every term, unweighted, by name, the baseline's own loss, and ``total``, the weighted sum without it; [] or [M]."""


def log_posterior(output: CVAEOutput, nll_BKT: Tensor, mask_BT: Tensor) -> Tensor:
    """log q(z|x,y), [B,K]: the router's, or by Bayes' rule from p(z) p(y|x,z), all of it or its likeliest latent."""
    if output.router_logits_BK is not None:
        return losses.log_probabilities(output.router_logits_BK, output.router_logits_BK.dim() - 2)
    exact_BK = exact_log_posterior(output.log_prior_BK, nll_BKT, mask_BT)
    return losses.likeliest(exact_BK) if output.is_hard else exact_BK


def exact_log_posterior(log_prior_BK: Tensor, nll_BKT: Tensor, mask_BT: Tensor) -> Tensor:
    """log p(z|x,y), [B,K]."""
    return (log_prior_BK - losses.sequence_nll(nll_BKT, mask_BT)).log_softmax(-1)


def baseline_nll(logits_BTV: Tensor, target_BT: Tensor) -> Tensor:
    """The baseline's NLL -log p0(y_t | x, y_<t), [B,T]."""
    return losses.token_nll(losses.log_probabilities(logits_BTV, target_BT.dim() - 2), target_BT)


def score(
    output: CVAEOutput, batch: Batch, baseline_nll_BT: Tensor | None = None, importance_BT: Tensor | None = None
) -> TokenScores:
    """Log-probabilities, posterior and divergence of one teacher-forced pass.

    The baseline NLL and the importance of tokens are as given, or computed where the output has what it takes.
    """
    if baseline_nll_BT is None:
        assert output.baseline_logits_BTV is not None
        baseline_nll_BT = baseline_nll(output.baseline_logits_BTV, batch.target_BT)
        if output.lookahead_logits_BTV is not None:
            importance_BT = losses.lookahead_divergence(output.lookahead_logits_BTV, output.baseline_logits_BTV)
    members = batch.target_BT.dim() - 2
    logp_BKTV = losses.log_probabilities(output.logits_by_latent_BKTV, members)
    nll_BKT = losses.token_nll(logp_BKTV, batch.target_BT[..., None, :])
    return TokenScores(
        logp_BKTV,
        nll_BKT,
        log_posterior(output, nll_BKT, batch.mask_BT),
        output.log_prior_BK,
        baseline_nll_BT,
        losses.inter_latent_jsd(logp_BKTV),
        baseline_nll_BT[..., :0] if importance_BT is None else importance_BT,
    )


def token_weights(weighting: str, scores: TokenScores, mask_BT: Tensor, warmup: Tensor) -> Tensor:
    """What each token weighs under a weighting of ``terms.WEIGHTINGS``, without gradient, [B,T]."""
    if weighting == BASELINE:
        return losses.token_weights(scores.baseline_nll_BT, mask_BT, warmup)
    if weighting == "posterior":
        own_BT = losses.predictive_nll(scores.log_prior_BK, scores.nll_BKT).clamp_min(0)
        return losses.token_weights(own_BT, mask_BT, warmup)
    if weighting == "uniform":
        return torch.where(mask_BT > 0, torch.ones_like(scores.baseline_nll_BT), 0.0)
    return torch.where(mask_BT > 0, scores.importance_BT, 0.0)  # known, or right soon: no warm-up


def chosen_jsd(scores: TokenScores, form: LossForm) -> Tensor:
    """The JSD of the latents' next tokens by the mixture that the form names, [B,T]."""
    if form.jsd_mixture == "posterior":
        return losses.mixture_jsd(scores.logp_BKTV, losses.prefix_posterior(scores.log_prior_BK, scores.nll_BKT))
    return scores.jsd_BT


def combine(scores: TokenScores, mask_BT: Tensor, weights: LossWeights, marginal_K: Tensor, form: LossForm) -> Terms:
    """Every term, and their weighted sum; ``marginal_K`` is the marginal of q that two of them judge."""
    expected_BT = losses.expected_nll(scores.log_q_BK, scores.nll_BKT)
    of_token = {
        kind: token_weights(kind, scores, mask_BT, weights.token_weight_warmup)
        for kind in {form.token_weighting, form.reconstruction_weighting}
    }
    inputs = losses.LossInputs(
        scores,
        expected_BT,
        chosen_jsd(scores, form),
        of_token[form.token_weighting],
        of_token[form.reconstruction_weighting],
        mask_BT,
        marginal_K,
        weights.support_floor,
        form.per_token,
    )
    terms = {term.name: losses.FORMULAS[term.name](inputs) for term in TERMS}
    plain, weighted = (terms[term.name] for term in RECONSTRUCTIONS)
    total = plain + weights.of_terms[SHARE] * (weighted - plain)
    for weight, term in ADDED.items():
        total = total + weights.of_terms[weight] * terms[term.name]
    baseline = losses.reconstruction(scores.baseline_nll_BT, mask_BT, per_token=True)
    return terms | {"baseline": baseline, "total": total}


def step_loss(
    model: SharedDiscreteCVAE,
    parameters: Mapping[str, Tensor],
    weights: LossWeights,
    batch: Batch,
    baseline_nll_BT: Tensor,
    marginal_K: Tensor,
    form: LossForm,
    importance_BT: Tensor | None = None,
) -> tuple[Tensor, tuple[Terms, Tensor]]:
    """The loss of one step, with its terms and the marginal; ``parameters`` are all but the baseline's.

    Pure. Trials do not interact: of stacked members, the gradient of the losses' sum is each member's own gradient.
    """
    output = functional_call(model, dict(parameters), (*batch, False))
    scores = score(output, batch, baseline_nll_BT, importance_BT)
    marginal_K = losses.blended_marginal(scores.log_q_BK, marginal_K, weights.marginal_ema)
    terms = combine(scores, batch.mask_BT, weights, marginal_K, form)
    return terms["total"], (terms, marginal_K.detach())
