"""The terms of the loss, one pure function per equation.

Source: the note "Inter-Latent Divergence via Token-Weighted Jensen-Shannon Divergence".

Natural logarithms, nats. Shapes: B batch, K latents, T target positions, V vocabulary. Masks are 1 where a token
counts. Dimensions are counted from the last: where all tensors are stacked [M, ...], each result is [M] or stacked
likewise, and a weight may be [M]. Forbidden tokens have the logit ``finfo.min / 2``, not -inf, whose gradients are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from sweeper.cvae import chunked, loss_inputs

WEIGHT_FLOOR = 0.05  # share of the tokens that the weights' sum at least counts as: little uncertain, little reward


def log_probabilities(logits_V: Tensor, members: int = 0) -> Tensor:
    """log_softmax along the last dimension, in float32 at least; ``members`` dimensions are stacks.

    Computed with that dimension outermost but for them, and the others as they are stored: torch's kernel for a short
    last one is twenty times slower, and what is summed next lies side by side.
    """
    logits_V = logits_V if logits_V.dtype == torch.float64 else logits_V.float()
    last = logits_V.dim() - 1
    others = sorted(range(members, last), key=logits_V.stride, reverse=True)
    stored = logits_V.permute(*range(members), last, *others)
    return stored.log_softmax(members).permute(*_inverse([*range(members), last, *others]))


def _inverse(order: list[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def token_nll(logp_V: Tensor, target: Tensor) -> Tensor:
    """-log p(target): [..., V] and tokens that broadcast to [...]."""
    target_1 = target[..., None].expand(*logp_V.shape[:-1], 1)
    return -logp_V.gather(-1, target_1)[..., 0]


def sequence_nll(nll_BKT: Tensor, mask_BT: Tensor) -> Tensor:
    """-log p(y) of whole sequences, [B,K]: what is masked counts nothing."""
    return torch.where(mask_BT[..., None, :] > 0, nll_BKT, 0.0).sum(-1)


def token_weights(baseline_nll_BT: Tensor, mask_BT: Tensor, warmup: Tensor | float = 1.0) -> Tensor:
    """w = m ((1 - warmup) + warmup b), without gradient: from uniform weights to the baseline's NLL, [B,T]."""
    if isinstance(warmup, Tensor):
        warmup = warmup[..., None, None]
    weight_BT = (1 - warmup) + warmup * baseline_nll_BT.detach()
    return torch.where(mask_BT > 0, weight_BT, 0.0)


def prefix_posterior(log_prior_BK: Tensor, nll_BKT: Tensor) -> Tensor:
    """log p(z | x, y_<t), [B,K,T], by Bayes' rule."""
    past_BKT = nll_BKT.cumsum(-1) - nll_BKT
    return (log_prior_BK[..., None] - past_BKT).log_softmax(-2)


def likeliest(log_q_BK: Tensor) -> Tensor:
    """The log of a distribution that has all on the likeliest latent, [B,K], no gradient: the E-step of hard EM."""
    none_BK = torch.full_like(log_q_BK, torch.finfo(log_q_BK.dtype).min / 2)
    return none_BK.scatter(-1, log_q_BK.argmax(-1, keepdim=True), 0.0)


def predictive_nll(log_prior_BK: Tensor, nll_BKT: Tensor) -> Tensor:
    """-log p(y_t | x, y_<t) of the model with z summed out, [B,T]."""
    return -torch.logsumexp(prefix_posterior(log_prior_BK, nll_BKT) - nll_BKT, dim=-2)


def lookahead_divergence(logits_BTV: Tensor, baseline_logits_BTV: Tensor) -> Tensor:
    """KL(p1 || p0) without gradient, [B,T]: what y_>t tells about y_t beyond x and y_<t, I(y_t; y_>t | x, y_<t)."""
    members = logits_BTV.dim() - 3
    logp1_BTV, logp0_BTV = (log_probabilities(one.detach(), members) for one in (logits_BTV, baseline_logits_BTV))
    return (logp1_BTV.exp() * (logp1_BTV - logp0_BTV)).sum(-1).clamp_min(0)


def weighted_mean(values_BT: Tensor, weights_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """sum w v / max(sum w, 0.05 sum m), a scalar; 0 if nothing counts."""
    total = torch.maximum(weights_BT.sum((-2, -1)), WEIGHT_FLOOR * mask_BT.sum((-2, -1)))
    counted_BT = torch.where(weights_BT > 0, weights_BT * values_BT, 0.0)
    return counted_BT.sum((-2, -1)) / total.clamp_min(torch.finfo(total.dtype).tiny)


def inter_latent_jsd(logp_BKTV: Tensor) -> Tensor:
    """JSD of the K next-token distributions at each position, [B,T], in [0, ln min(K, valid tokens)].

    JSD = (1/K) sum_k KL(p_k || pbar), pbar = (1/K) sum_k p_k. No p_k exceeds 1 and below ``tiny`` none counts, so that
    log pbar needs no logsumexp, which would take half of all. The gradient of log pbar is left out: its share is
    sum_v d pbar_v = 0, because probabilities sum to one, and the gradient in the logits is exact without it. Computed
    as the generator leaves its logits: what is summed lies outermost, in a third of the time. First derivatives only:
    what is left out has derivatives of its own.
    """
    logp_VKBT = logp_BKTV.movedim((-1, -3), (-4, -3))
    p_VKBT = logp_VKBT.exp()
    logmean_VBT = p_VKBT.detach().mean(-3).clamp_min(torch.finfo(p_VKBT.dtype).tiny).log()
    return (p_VKBT * (logp_VKBT - logmean_VBT.unsqueeze(-3))).sum(-4).mean(-3)


def mixture_jsd(logp_BKTV: Tensor, log_weight_BKT: Tensor) -> Tensor:
    """sum_k w_k KL(p_k || sum_j w_j p_j), [B,T], for weights w that get no gradient; first derivatives only."""
    log_weight_BKT = log_weight_BKT.detach()
    logmean_BTV = torch.logsumexp(log_weight_BKT[..., None] + logp_BKTV.detach(), dim=-3)
    p_BKTV = logp_BKTV.exp() * log_weight_BKT.exp()[..., None]
    return (p_BKTV * (logp_BKTV - logmean_BTV.unsqueeze(-3))).sum((-3, -1))


def inter_latent_jsd_loss(
    logits_by_latent: Tensor, baseline_nll: Tensor, mask: Tensor, *, check: bool = True
) -> tuple[Tensor, dict[str, Tensor]]:
    """-J, minus the mean JSD of the latents' next-token distributions, weighted by a z-free model's NLL.

    ``logits_by_latent`` [B,K,T,V], ``baseline_nll`` [B,T] (no gradient reaches it), ``mask`` [B,T]. Returns the loss in
    [-ln K, 0] nats, and ``diagnostics/inter_latent_jsd/weighted_mean`` = J with ``.../unweighted_mean``. The loss is
    computed in float32 at least, in chunks of positions (:mod:`sweeper.cvae.chunked`).
    Raises ValueError naming the argument, what was expected and what was found for shapes and dtypes, and, with
    ``check``, for values; that waits for a GPU once, and is to be left out under ``vmap`` and ``torch.compile``.

    Two latents that are sure of different tokens at the first position, and equal at the second:

    >>> logits = torch.tensor([[[[9.0, -9.0], [0.0, 0.0]], [[-9.0, 9.0], [0.0, 0.0]]]])  # B = 1, K = 2, T = 2, V = 2
    >>> loss, found = inter_latent_jsd_loss(logits, torch.tensor([[0.7, 0.1]]), torch.ones(1, 2))
    >>> round(loss.item(), 3)  # ln 2 times 0.7 / 0.8
    -0.607
    >>> round(found["diagnostics/inter_latent_jsd/unweighted_mean"].item(), 3)  # ln 2 / 2
    0.347
    """
    loss_inputs.check_shapes(logits_by_latent, "logits_by_latent", "[B,K,T,V]", baseline_nll, mask)
    jsd_BT = chunked.jsd_from_logits(logits_by_latent)
    if check:
        loss_inputs.check_logits(logits_by_latent)
        loss_inputs.check_values(baseline_nll, mask, jsd_BT, logits_by_latent=logits_by_latent)
    return _jsd_loss(jsd_BT, baseline_nll, mask)


def inter_latent_jsd_from_hidden(
    hidden_by_latent: Tensor, head: Tensor, baseline_nll: Tensor, mask: Tensor, *, check: bool = True
) -> tuple[Tensor, dict[str, Tensor]]:
    """:func:`inter_latent_jsd_loss` of ``hidden_by_latent`` [B,K,T,D] times ``head`` [V,D]; no [B,K,T,V] is ever held.

    Gradients reach both; states in half precision are multiplied in it, and summed in float32.
    """
    loss_inputs.check_shapes(hidden_by_latent, "hidden_by_latent", "[B,K,T,D]", baseline_nll, mask)
    loss_inputs.check_head(hidden_by_latent, head)
    jsd_BT = chunked.jsd_from_hidden(hidden_by_latent, head)
    if check:
        loss_inputs.check_values(baseline_nll, mask, jsd_BT, hidden_by_latent=hidden_by_latent, head=head)
    return _jsd_loss(jsd_BT, baseline_nll, mask)


def _jsd_loss(jsd_BT: Tensor, baseline_nll_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    baseline_nll_BT, mask_BT = baseline_nll_BT.to(jsd_BT.dtype), mask_BT.to(jsd_BT.dtype)  # in half, sums overflow
    weighted = weighted_mean(jsd_BT, token_weights(baseline_nll_BT, mask_BT), mask_BT)
    plain = weighted_mean(jsd_BT.detach(), mask_BT, mask_BT)
    return -weighted, {
        "diagnostics/inter_latent_jsd/weighted_mean": weighted.detach(),
        "diagnostics/inter_latent_jsd/unweighted_mean": plain,
    }


def expected_nll(log_q_BK: Tensor, nll_BKT: Tensor) -> Tensor:
    """sum_k q_k nll_k,t, [B,T]."""
    return (log_q_BK.exp()[..., None] * nll_BKT).sum(-2)


def reconstruction(expected_nll_BT: Tensor, mask_BT: Tensor, per_token: bool) -> Tensor:
    """R: mean over examples of the summed nll (nats a sequence), or over tokens (nats a token)."""
    total = torch.where(mask_BT > 0, expected_nll_BT, 0.0).sum((-2, -1))
    return total / (mask_BT.sum((-2, -1)) if per_token else mask_BT.shape[-2])


def token_weighted_reconstruction(
    expected_nll_BT: Tensor, weights_BT: Tensor, mask_BT: Tensor, per_token: bool
) -> Tensor:
    """R_tw: the weighted mean nll a token, times the mean length unless ``per_token``; R where weights are uniform."""
    mean = weighted_mean(expected_nll_BT, weights_BT, mask_BT)
    return mean if per_token else mean * (mask_BT.sum((-2, -1)) / mask_BT.shape[-2])


def posterior_kl(log_q_BK: Tensor, log_prior_BK: Tensor) -> Tensor:
    """KLbar = mean_b KL(q || p), in [0, ln K] under a uniform prior."""
    return (log_q_BK.exp() * (log_q_BK - log_prior_BK)).sum(-1).mean(-1)


def posterior_entropy(log_q_BK: Tensor) -> Tensor:
    """Hbar = mean_b H(q), in [0, ln K]."""
    return -(log_q_BK.exp() * log_q_BK).sum(-1).mean(-1)


def blended_marginal(log_q_BK: Tensor, memory_K: Tensor, ema: Tensor | float) -> Tensor:
    """The marginal of q, [K]: ``ema`` parts of memory and the rest from this minibatch.

    Its gradient is that of the minibatch marginal at full strength: the memory lowers the noise, not the force.
    """
    if isinstance(ema, Tensor):
        ema = ema[..., None]
    batch_K = log_q_BK.exp().mean(-2)
    value_K = ema * memory_K + (1 - ema) * batch_K
    return value_K.detach() + (batch_K - batch_K.detach())


def marginal_kl(marginal_K: Tensor, log_prior_BK: Tensor) -> Tensor:
    """M = KL(qbar || p), with the prior's own mean over the batch."""
    log_prior_K = torch.logsumexp(log_prior_BK, dim=-2) - math.log(log_prior_BK.shape[-2])
    log_marginal_K = marginal_K.clamp_min(torch.finfo(marginal_K.dtype).tiny).log()
    return (marginal_K * (log_marginal_K - log_prior_K)).sum(-1)


def router_support(marginal_K: Tensor, floor: Tensor | float) -> Tensor:
    """Supp = (1/K) sum_k relu(1 - qbar_k K / f)^2: exactly 0 once each latent holds f/K; in [0, 1]."""
    if isinstance(floor, Tensor):
        floor = floor[..., None]
    return torch.relu(1 - marginal_K * (marginal_K.shape[-1] / floor)).square().mean(-1)


class TokenScores(NamedTuple):
    """What the terms are made of, per example and position; dimensions [M] of stacked members may precede those named.

    ``jsd_BT`` is :func:`inter_latent_jsd` of ``logp_BKTV``, which is kept for the diagnostics. ``importance_BT`` are
    weights that the model does not make, of forks or of :func:`lookahead_divergence`; [B,0] where these are not used.
    """

    logp_BKTV: Tensor
    nll_BKT: Tensor
    log_q_BK: Tensor
    log_prior_BK: Tensor
    baseline_nll_BT: Tensor
    jsd_BT: Tensor
    importance_BT: Tensor


class LossInputs(NamedTuple):
    """What a term may be made of: the scores, and what all terms share.

    ``expected_nll_BT`` is :func:`expected_nll`, ``marginal_K`` the marginal of q, ``jsd_BT`` the JSD by the mixture
    chosen; ``jsd_weights_BT`` and ``reconstruction_weights_BT`` are what tokens weigh. ``per_token``: reconstruction in
    nats per token.
    """

    scores: TokenScores
    expected_nll_BT: Tensor
    jsd_BT: Tensor
    jsd_weights_BT: Tensor
    reconstruction_weights_BT: Tensor
    mask_BT: Tensor
    marginal_K: Tensor
    support_floor: Tensor
    per_token: bool


FORMULAS: Mapping[str, Callable[[LossInputs], Tensor]] = MappingProxyType(
    {
        "reconstruction": lambda x: reconstruction(x.expected_nll_BT, x.mask_BT, x.per_token),
        "token_weighted_reconstruction": lambda x: token_weighted_reconstruction(
            x.expected_nll_BT, x.reconstruction_weights_BT, x.mask_BT, x.per_token
        ),
        "posterior_kl": lambda x: posterior_kl(x.scores.log_q_BK, x.scores.log_prior_BK),
        "posterior_entropy": lambda x: posterior_entropy(x.scores.log_q_BK),
        "router_marginal_kl": lambda x: marginal_kl(x.marginal_K, x.scores.log_prior_BK),
        "router_support": lambda x: router_support(x.marginal_K, x.support_floor),
        "inter_latent_jsd": lambda x: -weighted_mean(x.jsd_BT, x.jsd_weights_BT, x.mask_BT),
    }
)
"""The formula of each term of :data:`sweeper.cvae.terms.TERMS`, by its name: a scalar per member, to be made small."""
