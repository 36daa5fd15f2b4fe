"""How well the latents agree with the strategies: matched shares and information, from soft contingency tables.

Shapes: B examples, K latents, S strategies. All results are Python floats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.cvae.evaluation.matching import best_matching

TIE = 0.05  # below this excess of mean(max q) over 1/K the arg max of a posterior means nothing


def contingency(posterior_BK: Tensor, strategy_B: Tensor, strategies: int) -> Tensor:
    """C_k,s = sum_b q_k 1[strategy = s], [K,S] in float64; a strategy of -1 counts nowhere."""
    indicator_BS = (strategy_B[:, None] == torch.arange(strategies, device=strategy_B.device)).double()
    return posterior_BK.double().t() @ indicator_BS


def matched_share(table_KS: Tensor, match: list[int], total: float) -> float:
    """The share of ``total`` that lies where ``match`` pairs a latent with a strategy."""
    paired = sum(float(table_KS[k, s]) for k, s in enumerate(match) if s >= 0)
    return paired / total if total else 0.0


def cross_fitted_alignment(posterior_BK: Tensor, strategy_B: Tensor, strategies: int, first_half_B: Tensor) -> float:
    """The matching fitted on one half and scored on the other, averaged both ways; chance is 1/K for K = S."""
    halves = [contingency(posterior_BK[half], strategy_B[half], strategies) for half in (first_half_B, ~first_half_B)]
    sizes = [float(first_half_B.sum()), float((~first_half_B).sum())]
    scores = [
        matched_share(halves[1 - i], best_matching(halves[i].tolist()), sizes[1 - i]) for i in (0, 1) if sizes[1 - i]
    ]
    return sum(scores) / len(scores)


def many_to_one_alignment(
    posterior_BK: Tensor, strategy_B: Tensor, strategies: int, first_half_B: Tensor
) -> tuple[float, float]:
    """Each latent stands for its commonest strategy, found on one half and scored on the other; and what chance gives.

    Several latents may share a strategy, so that for K > S a split strategy costs nothing. Chance is the share of the
    strategy that is commonest in the one half, in the other: 1/S where all are alike.
    """
    halves = [contingency(posterior_BK[half], strategy_B[half], strategies) for half in (first_half_B, ~first_half_B)]
    scores, chances = [], []
    for fitted_KS, scored_KS in (halves, halves[::-1]):
        if total := float(scored_KS.sum()):
            scores.append(float(scored_KS.gather(1, fitted_KS.argmax(1, keepdim=True)).sum()) / total)
            chances.append(float(scored_KS.sum(0)[fitted_KS.sum(0).argmax()]) / total)
    return sum(scores) / len(scores), sum(chances) / len(chances)


def hard_alignment(posterior_BK: Tensor, strategy_B: Tensor, strategies: int) -> float:
    """The in-sample matching of the posterior's arg max: biased upwards, comparable with the note's figures."""
    table_KS = contingency(one_hot_arg_max(posterior_BK), strategy_B, strategies)
    return matched_share(table_KS, best_matching(table_KS.tolist()), len(posterior_BK))


def one_hot_arg_max(posterior_BK: Tensor) -> Tensor:
    """1 at each row's first greatest entry, [B,K]."""
    return torch.zeros_like(posterior_BK).scatter_(1, posterior_BK.argmax(1, keepdim=True), 1.0)


def is_tie(posterior_BK: Tensor) -> bool:
    """Whether mean(max q) - 1/K < 0.05, where an arg max is an accident."""
    return float(posterior_BK.max(1).values.mean()) - 1 / posterior_BK.shape[1] < TIE


def normalised_information(table_KS: Tensor) -> float:
    """I(z;s)/H(s), in [0, 1], after taking (K-1)(S-1)/2N, the bias of the plug-in estimate (Miller-Madow), from I."""
    joint_KS = table_KS / table_KS.sum()
    entropy = float(-torch.xlogy(joint_KS.sum(0), joint_KS.sum(0)).sum())
    independent_KS = joint_KS.sum(1, keepdim=True) * joint_KS.sum(0)
    information = float((torch.xlogy(joint_KS, joint_KS) - torch.xlogy(joint_KS, independent_KS)).sum())
    used = [int((joint_KS.sum(dim) > 0).sum()) - 1 for dim in (0, 1)]
    bias = used[0] * used[1] / (2 * float(table_KS.sum()))
    if used[0] < 1:
        return 0.0  # one strategy: nothing to know, and its entropy is a rounding error, not always 0
    return min(1.0, max(0.0, (information - bias) / entropy))


def adjusted_information(table_KS: Tensor) -> float:
    """Adjusted mutual information of a table of counts (arithmetic mean of the entropies): chance 0, agreement 1.

    Source: Vinh, Epps, Bailey 2010; equal to scikit-learn's ``adjusted_mutual_info_score``.
    """
    rows_K, columns_S, total = table_KS.sum(1), table_KS.sum(0), float(table_KS.sum())
    if int((rows_K > 0).sum()) <= 1 and int((columns_S > 0).sum()) <= 1:
        return 1.0  # one cluster on both sides: they agree
    joint_KS = table_KS / total
    information = float(
        (torch.xlogy(joint_KS, joint_KS) - torch.xlogy(joint_KS, rows_K[:, None] * columns_S / total**2)).sum()
    )
    entropies = [float(-torch.xlogy(part / total, part / total).sum()) for part in (rows_K, columns_S)]
    expected = _expected_information(rows_K, columns_S, total)
    spread = sum(entropies) / 2 - expected
    tiny = torch.finfo(torch.float64).eps
    return (information - expected) / (min(spread, -tiny) if spread < 0 else max(spread, tiny))


def _expected_information(rows_K: Tensor, columns_S: Tensor, total: float) -> float:
    """The mean information of tables with these margins, under the hypergeometric model of random labels."""
    cells_N = torch.arange(1, int(min(rows_K.max(), columns_S.max())) + 1, dtype=torch.float64)
    a, b, n = rows_K.double()[:, None, None], columns_S.double()[None, :, None], cells_N[None, None]
    possible = (n >= a + b - total) & (n <= torch.minimum(a, b))
    gain = n / total * (math.log(total) + n.log() - a.clamp_min(1).log() - b.clamp_min(1).log())

    def log_factorial(count: Tensor) -> Tensor:
        return torch.lgamma(count.clamp_min(0) + 1)

    log_p = log_factorial(a) + log_factorial(b) + log_factorial(total - a) + log_factorial(total - b)
    log_p = log_p - math.lgamma(total + 1) - log_factorial(n) - log_factorial(a - n) - log_factorial(b - n)
    log_p = log_p - log_factorial(total - a - b + n)
    return float(torch.where(possible, gain * log_p.exp(), 0.0).sum())
