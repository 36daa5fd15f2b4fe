"""Every metric of a trained model on the test split: teacher-forced, free-running, and the agreement with strategies.

Shapes: N test prompts, S strategies, B = N S examples (prompt-major), K latents, T target positions, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sweeper.cvae import alignment, divergence, losses
from sweeper.cvae.decode import under_every_latent
from sweeper.cvae.matching import best_matching
from sweeper.cvae.model import SharedDiscreteCVAE
from sweeper.cvae.objective import LossWeights, Reduction, Scores, combine, exact_log_posterior, score
from sweeper.cvae.tasks import Batch, Task
from sweeper.cvae.tasks.task import SPLIT_SEED

CHUNK = 192  # examples scored at once: their activations stay in the cache
SAMPLED_PROMPTS = 64  # on which outputs are sampled, for task_accuracy_sampled and the on-policy divergence


@dataclass(frozen=True, slots=True)
class TestSplit:
    """The examples to test on, and what can be said of them without a model."""

    __test__ = False  # not a class of tests

    task: Task
    rows_N: Tensor
    batch: Batch
    strategy_B: Tensor
    ceiling_BT: Tensor

    @classmethod
    def of(cls, task: Task, rows_N: Tensor, latents: int, device: torch.device) -> TestSplit:
        """All strategies of every prompt in ``rows_N``, with the batch on ``device``."""
        batch, strategy_B = task.enumerate(rows_N)
        counts_BT = valid_next_tokens(task, rows_N)
        ceiling_BT = counts_BT.clamp_max(latents).log()
        return cls(task, rows_N, Batch(*(part.to(device) for part in batch)), strategy_B, ceiling_BT)

    @property
    def first_half_N(self) -> Tensor:
        """Every other prompt: the matching of latents to strategies is fitted here and scored on the rest, and back."""
        return torch.arange(len(self.rows_N)) % 2 == 0


def valid_next_tokens(task: Task, rows_N: Tensor) -> Tensor:
    """How many tokens may come next in each test example, given its prefix, [B,T]."""
    traces_NST = task.traces_NST[rows_N]
    same_NSST = traces_NST[:, :, None] == traces_NST[:, None]
    agrees_NSST = torch.cat([torch.ones_like(same_NSST[..., :1]), same_NSST[..., :-1].cumprod(-1).bool()], dim=-1)
    tokens_NSTV = torch.nn.functional.one_hot(traces_NST, len(task.trace_vocabulary)).float()
    reachable_NSTV = torch.einsum("nzst,nstv->nztv", agrees_NSST.float(), tokens_NSTV) > 0
    counts_BT = reachable_NSTV.sum(-1).flatten(0, 1).float()
    styles = 1 if task.style_probabilities is None else int((task.style_probabilities > 1e-6).sum())
    return torch.cat([torch.full((len(counts_BT), task.style_tokens), float(styles)), counts_BT], dim=1)


class Forced(NamedTuple):
    """Free-running outputs under each latent: correct steps and answer [N,K], and the strategy named, or -1."""

    steps_NK: Tensor
    answer_NK: Tensor
    strategy_NK: Tensor

    @property
    def correct_NK(self) -> Tensor:
        """Valid, with the right answer."""
        return self.steps_NK & self.answer_NK


class Evaluation(NamedTuple):
    """The metrics, and the two tables they condense: C [K,S] of the router and forced z -> strategy [K,S+1]."""

    metrics: dict[str, float]
    confusion_KS: Tensor
    forced_KS: Tensor


@torch.no_grad()
def evaluate(model: SharedDiscreteCVAE, split: TestSplit, weights: LossWeights, reduction: Reduction) -> Evaluation:
    """All metrics but those of the optimiser. It draws from a generator of its own: training goes on unchanged."""
    scores, batch = _score_in_chunks(model, split.batch), split.batch
    prior_NK = scores.log_prior_BK[:: len(split.task.strategies)].exp().cpu()
    forced = _judge(split, split.rows_N, _outputs(model, split, split.rows_N, prior_NK.shape[1], sampled=False))
    posterior_BK = scores.log_q_BK.exp().cpu()
    routed_NK = torch.unflatten(posterior_BK, 0, (len(split.rows_N), -1)).mean(1)
    metrics = _free_running_metrics(forced, prior_NK, routed_NK, len(split.task.strategies))
    metrics |= _agreement_metrics(split, posterior_BK, forced)
    exact_BK = exact_log_posterior(scores.log_prior_BK, scores.nll_BKT, batch.mask_BT)
    metrics["alignment_bayes"] = _cross_fitted(split, exact_BK.exp().cpu())
    metrics |= _likelihood_metrics(scores, batch.mask_BT, exact_BK) | _loss_metrics(scores, batch, weights, reduction)
    metrics |= _divergence_metrics(scores, batch.mask_BT, split.ceiling_BT.to(batch.mask_BT.device))
    metrics |= _information_metrics(torch.unflatten(posterior_BK, 0, (len(split.rows_N), -1)))
    metrics |= _sampled_metrics(model, split, prior_NK)
    table_KS = alignment.contingency(posterior_BK, split.strategy_B, len(split.task.strategies))
    return Evaluation(metrics, table_KS, _forced_table(forced, len(split.task.strategies)))


def _score_in_chunks(model: SharedDiscreteCVAE, batch: Batch) -> Scores:
    parts = []
    for start in range(0, len(batch.target_BT), CHUNK):
        part = Batch(*(tensor[start : start + CHUNK] for tensor in batch))
        parts.append(score(model(*part), part))
    return Scores(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _outputs(model: SharedDiscreteCVAE, split: TestSplit, rows_N: Tensor, latents: int, sampled: bool) -> Tensor:
    device = split.batch.mask_BT.device
    prompt_NP = split.task.prompts_NP[rows_N].to(device)
    generator = torch.Generator(device).manual_seed(SPLIT_SEED) if sampled else None
    return under_every_latent(model.generator, prompt_NP, latents, split.task.trace_length, generator)


def _judge(split: TestSplit, rows_N: Tensor, trace_NKT: Tensor) -> Forced:
    latents = trace_NKT.shape[1]
    rows_B, trace_BT = rows_N.repeat_interleave(latents), trace_NKT.flatten(0, 1).cpu()
    verdict = split.task.check(rows_B, trace_BT)
    named_B = split.task.name_strategy(rows_B, trace_BT)
    return Forced(*(torch.unflatten(part, 0, (len(rows_N), latents)) for part in (*verdict, named_B)))


def _free_running_metrics(forced: Forced, prior_NK: Tensor, routed_NK: Tensor, strategies: int) -> dict[str, float]:
    def mean(right_NK: Tensor, weight_NK: Tensor) -> float:
        return float((right_NK * weight_NK).sum(1).mean())

    reached = [len(set(row) - {-1}) for row in forced.strategy_NK.tolist()]
    return {
        "task_accuracy": mean(forced.correct_NK, prior_NK),
        "task_accuracy_routed": mean(forced.correct_NK, routed_NK),
        "answer_accuracy": mean(forced.answer_NK, prior_NK),
        "valid_rate": mean(forced.steps_NK, prior_NK),
        "coverage": sum(reached) / len(reached) / strategies,
    }


def _cross_fitted(split: TestSplit, posterior_BK: Tensor) -> float:
    strategies = len(split.task.strategies)
    halves_B = split.first_half_N.repeat_interleave(strategies)
    return alignment.cross_fitted_alignment(posterior_BK, split.strategy_B, strategies, halves_B)


def _agreement_metrics(split: TestSplit, posterior_BK: Tensor, forced: Forced) -> dict[str, float]:
    strategies, latents = len(split.task.strategies), posterior_BK.shape[1]
    soft_KS = alignment.contingency(posterior_BK, split.strategy_B, strategies)
    hard_KS = alignment.contingency(alignment.one_hot_arg_max(posterior_BK), split.strategy_B, strategies)
    match = torch.tensor(best_matching(soft_KS.tolist()))
    follows_NK = (forced.strategy_NK == match)[:, match >= 0]
    one_hot_BK = torch.eye(latents).repeat(len(split.rows_N), 1)
    halves_B = split.first_half_N.repeat_interleave(latents)
    written_B = forced.strategy_NK.flatten()
    return {
        "alignment": _cross_fitted(split, posterior_BK),
        "alignment_hard": alignment.hard_alignment(posterior_BK, split.strategy_B, strategies),
        "alignment_hard_tie": float(alignment.is_tie(posterior_BK)),
        "alignment_nmi": alignment.normalised_information(soft_KS),
        "alignment_ami": alignment.adjusted_information(hard_KS),
        "alignment_generative": alignment.cross_fitted_alignment(one_hot_BK, written_B, strategies, halves_B),
        "controllability": float(follows_NK.float().mean()),
    }


def _likelihood_metrics(scores: Scores, mask_BT: Tensor, exact_BK: Tensor) -> dict[str, float]:
    nll_BK = torch.where(mask_BT[:, None] > 0, scores.nll_BKT, 0.0).sum(-1)
    nll = float(-torch.logsumexp(scores.log_prior_BK - nll_BK, dim=1).mean())
    q_BK = scores.log_q_BK.exp()
    gap = float((q_BK * (scores.log_q_BK - exact_BK)).sum(1).mean())
    tokens = float(mask_BT.sum() / len(mask_BT))
    return {
        "nll": nll,
        "elbo": -nll - gap,
        "diagnostics/elbo_gap": gap,
        "bits_per_token": nll / math.log(2) / tokens,
        "nll_baseline": float(torch.where(mask_BT > 0, scores.baseline_nll_BT, 0.0).sum(1).mean()),
    }


def _loss_metrics(scores: Scores, batch: Batch, weights: LossWeights, reduction: Reduction) -> dict[str, float]:
    mask_BT, marginal_K = batch.mask_BT, scores.log_q_BK.exp().mean(0)
    terms = combine(scores, mask_BT, weights, marginal_K, reduction)
    excess_BT = losses.expected_nll(scores.log_q_BK, scores.nll_BKT) - scores.baseline_nll_BT
    excess = losses.weighted_mean(excess_BT, losses.token_weights(scores.baseline_nll_BT, mask_BT), mask_BT)
    named = {
        f"loss/{name}": float(value)
        for name, value in terms._asdict().items()
        if name not in ("posterior_entropy", "baseline")
    }
    return named | {"posterior_entropy": float(terms.posterior_entropy), "loss/excess_reconstruction": float(excess)}


def _divergence_metrics(scores: Scores, mask_BT: Tensor, ceiling_BT: Tensor) -> dict[str, float]:
    weights_BT = losses.token_weights(scores.baseline_nll_BT, mask_BT)
    routed_BT = divergence.weighted_jsd(
        scores.logp_BKTV, divergence.prefix_posterior(scores.log_prior_BK, scores.nll_BKT)
    )
    count_T = mask_BT.sum(0).clamp_min(1)
    proxy = torch.where(mask_BT > 0, divergence.pairwise_kl(scores.logp_BKTV), 0.0).sum(1).mean()
    name = "diagnostics/inter_latent_jsd"
    metrics = {
        f"{name}/weighted_mean": float(losses.weighted_mean(scores.jsd_BT, weights_BT, mask_BT)),
        f"{name}/ceiling": float(losses.weighted_mean(ceiling_BT, weights_BT, mask_BT)),
        f"{name}/unweighted_mean": float(losses.weighted_mean(scores.jsd_BT, mask_BT, mask_BT)),
        f"{name}/posterior_weighted": float(losses.weighted_mean(routed_BT, weights_BT, mask_BT)),
        "diagnostics/sequence_kl/teacher_forced": float(proxy),
    }
    for t, value in enumerate(((scores.jsd_BT * mask_BT).sum(0) / count_T).tolist()):
        metrics[f"{name}/position/{t}"] = value
    for t, value in enumerate(((scores.baseline_nll_BT * mask_BT).sum(0) / count_T).tolist()):
        metrics[f"diagnostics/baseline_nll/position/{t}"] = value
    return metrics


def _information_metrics(posterior_NSK: Tensor) -> dict[str, float]:
    def entropy(p_K: Tensor) -> Tensor:
        return -torch.xlogy(p_K, p_K).sum(-1)

    given_x_NK, marginal_K = posterior_NSK.mean(1), posterior_NSK.mean((0, 1))
    latents = len(marginal_K)
    return {
        "diagnostics/information/z_x": float(entropy(marginal_K) - entropy(given_x_NK).mean()),
        "diagnostics/information/z_y_given_x": float(entropy(given_x_NK).mean() - entropy(posterior_NSK).mean()),
        "diagnostics/usage_perplexity": float(entropy(marginal_K).exp()),
        "diagnostics/active_latents": float((marginal_K > 0.5 / latents).sum()),
    }


def _sampled_metrics(model: SharedDiscreteCVAE, split: TestSplit, prior_NK: Tensor) -> dict[str, float]:
    rows_N, latents = split.rows_N[:SAMPLED_PROMPTS], prior_NK.shape[1]
    trace_NKT = _outputs(model, split, rows_N, latents, sampled=True)
    correct_NK = _judge(split, rows_N, trace_NKT).correct_NK
    prompt_BP = split.task.prompts_NP[rows_N].repeat_interleave(latents, dim=0).to(trace_NKT.device)
    trace_BT = trace_NKT.flatten(0, 1)
    scores = _score_in_chunks(model, Batch(prompt_BP, trace_BT, torch.ones_like(trace_BT, dtype=torch.float32)))
    estimate = divergence.sequence_kl(torch.unflatten(scores.nll_BKT.sum(-1), 0, (len(rows_N), latents)))
    return {
        "task_accuracy_sampled": float((correct_NK * prior_NK[: len(rows_N)]).sum(1).mean()),
        "diagnostics/sequence_kl/on_policy": estimate.mean,
        "diagnostics/sequence_kl/standard_error": estimate.standard_error,
    }


def _forced_table(forced: Forced, strategies: int) -> Tensor:
    """How often each latent writes each strategy, [K,S+1]; the last column counts what is none of them."""
    named_NK = torch.where(forced.strategy_NK < 0, strategies, forced.strategy_NK)
    return torch.nn.functional.one_hot(named_NK, strategies + 1).sum(0)
