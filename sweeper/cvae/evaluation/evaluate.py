"""Every metric of trained models on a split: teacher-forced, free-running, and the agreement with strategies.

All members of a pack are scored at once, with stacked networks, and then looked at one by one where a matching has to
be found. Shapes: M members, N prompts, S strategies, B examples (those of one prompt together), K latents, T target
positions, V vocabulary.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sweeper.cvae import losses
from sweeper.cvae.evaluation import alignment, divergence
from sweeper.cvae.evaluation.matching import best_matching
from sweeper.cvae.evaluation.split import SAMPLED_PROMPTS, EvaluationSplit
from sweeper.cvae.evaluation.standard_errors import standard_errors
from sweeper.cvae.losses import TokenScores
from sweeper.cvae.networks.generation import under_every_latent
from sweeper.cvae.networks.model import SharedDiscreteCVAE
from sweeper.cvae.objective import LossForm, LossWeights, combine, exact_log_posterior, score
from sweeper.cvae.tasks import Batch
from sweeper.cvae.tasks.forks import forks
from sweeper.cvae.tasks.task import counted
from sweeper.cvae.terms import ORACLE_FORK, TERMS

POSITIONS = 32  # of the target that have metrics of their own: long ones would have hundreds
CHUNK = {"cpu": 192, "cuda": 65_536}  # examples scored at once, of all members: activations in the cache, or in memory


class Forced(NamedTuple):
    """Free-running outputs under each latent: correct steps and answer [M,N,K], and the strategy named, or -1."""

    steps_MNK: Tensor
    answer_MNK: Tensor
    strategy_MNK: Tensor

    @property
    def correct_MNK(self) -> Tensor:
        """Valid, with the right answer."""
        return self.steps_MNK & self.answer_MNK


class Evaluation(NamedTuple):
    """The metrics, and the two tables they condense: C [K,S] of the router and forced z -> strategy [K,S+1]."""

    metrics: dict[str, float]
    confusion_KS: Tensor
    forced_KS: Tensor


@torch.no_grad()
def evaluate(
    model: SharedDiscreteCVAE, split: EvaluationSplit, weights: LossWeights, form: LossForm
) -> list[Evaluation]:
    """All metrics but those of the optimiser, of each member; the model and the weights are stacked [M, ...].

    It draws from no generator: training goes on unchanged.
    """
    members = len(weights.support_floor)
    scores = _score_in_chunks(model, Batch(*(part.expand(members, -1, -1) for part in split.batch)))
    if form.uses(ORACLE_FORK):
        scores = scores._replace(importance_BT=forks(split.task, *split.batch[:2]).to(split.batch.mask_BT.device))
    mask_BT = split.batch.mask_BT
    exact_MBK = exact_log_posterior(scores.log_prior_BK, scores.nll_BKT, mask_BT)
    values = _likelihood_metrics(scores, mask_BT, exact_MBK) | _loss_metrics(scores, mask_BT, weights, form)
    values |= _divergence_metrics(scores, mask_BT, split.ceiling_BT)
    routed_MNK = split.mean_by_prompt(scores.log_q_BK.exp())
    values |= _information_metrics(scores.log_q_BK.exp(), routed_MNK, split.share_N)
    posterior_MBK, exact_MBK = scores.log_q_BK.exp().cpu(), exact_MBK.exp().cpu()
    prior_MNK = scores.log_prior_BK[:, split.first_N].exp().cpu()
    forced = _judge(split, split.rows_N, _outputs(model, split, split.rows_N, members, prior_MNK.shape[-1]))
    free = _free_running_metrics(split, forced, prior_MNK, routed_MNK.cpu())
    if split.task.is_sampled:
        free |= standard_errors(split, (forced.correct_MNK * prior_MNK).sum(-1), scores, posterior_MBK)
    sampled = _sampled_metrics(model, split, prior_MNK)
    listed = {name: column.tolist() for name, column in (_on_host(values) | free).items()}
    return [
        _evaluation(
            split,
            {name: column[i] for name, column in listed.items()} | sampled[i],
            posterior_MBK[i],
            exact_MBK[i],
            forced.strategy_MNK[i],
        )
        for i in range(members)
    ]


def _on_host(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everything in one transfer: on a GPU each wait costs as much as many operations."""
    return dict(zip(values, torch.stack([value.double() for value in values.values()]).cpu(), strict=True))


def _evaluation(
    split: EvaluationSplit, metrics: dict[str, float], posterior_BK: Tensor, exact_BK: Tensor, strategy_NK: Tensor
) -> Evaluation:
    strategies = len(split.task.strategies)
    if strategies:
        metrics |= _agreement_metrics(split, posterior_BK, strategy_NK)
        metrics["alignment_bayes"] = _cross_fitted(split, exact_BK)
    table_KS = alignment.contingency(posterior_BK, split.strategy_B, strategies)
    return Evaluation(metrics, table_KS, _forced_table(strategy_NK, strategies))


def _score_in_chunks(model: SharedDiscreteCVAE, batch: Batch) -> TokenScores:
    members, examples = batch.target_BT.shape[:2]
    size = max(1, CHUNK[batch.mask_BT.device.type] // members)
    parts = []
    for start in range(0, examples, size):
        part = Batch(*(tensor[:, start : start + size] for tensor in batch))
        parts.append(score(model(*part), part))
    return TokenScores(*(torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True)))


def _outputs(
    model: SharedDiscreteCVAE,
    split: EvaluationSplit,
    rows_N: Tensor,
    members: int,
    latents: int,
    uniform_BT: Tensor | None = None,
) -> Tensor:
    """Traces [M,N,K,T], greedy or sampled."""
    task = split.task
    prompt_MNP = task.prompts(rows_N).to(split.batch.mask_BT.device).expand(members, -1, -1)
    return under_every_latent(model.generator, prompt_MNP, latents, task.trace_length, uniform_BT, task.end)


def _judge(split: EvaluationSplit, rows_N: Tensor, trace_MNKT: Tensor) -> Forced:
    members, _, latents = trace_MNKT.shape[:3]
    rows_B, trace_BT = rows_N.repeat_interleave(latents).repeat(members), trace_MNKT.flatten(0, 2).cpu()
    verdict = split.task.check(rows_B, trace_BT)
    named_B = split.task.name_strategy(rows_B, trace_BT)
    return Forced(*(part.view(trace_MNKT.shape[:3]) for part in (*verdict, named_B)))


def _free_running_metrics(
    split: EvaluationSplit, forced: Forced, prior_MNK: Tensor, routed_MNK: Tensor
) -> dict[str, Tensor]:
    metrics = {
        "task_accuracy": _share(forced.correct_MNK, prior_MNK),
        "task_accuracy_routed": _share(forced.correct_MNK, routed_MNK),
    }
    if split.task.judges_steps:
        metrics |= {
            "answer_accuracy": _share(forced.answer_MNK, prior_MNK),
            "valid_rate": _share(forced.steps_MNK, prior_MNK),
        }
    if strategies := len(split.task.strategies):
        reached_MNS = (forced.strategy_MNK[..., None] == torch.arange(strategies)).any(-2) & split.known_NS
        metrics["coverage"] = reached_MNS.double().sum((-2, -1)) / split.known_NS.sum()
    return metrics


def _share(right_MNK: Tensor, weight_MNK: Tensor) -> Tensor:
    """The mean over prompts of the weight of what is right, [M]: 1 where all is, though float32 weights sum to less."""
    weight_MNK = weight_MNK.double()
    return ((right_MNK * weight_MNK).sum(-1) / weight_MNK.sum(-1)).mean(-1)


def _cross_fitted(split: EvaluationSplit, posterior_BK: Tensor) -> float:
    strategies, known_B = len(split.task.strategies), split.strategy_B >= 0
    halves_B = split.first_half_N[split.prompt_B[known_B]]
    return alignment.cross_fitted_alignment(posterior_BK[known_B], split.strategy_B[known_B], strategies, halves_B)


def _agreement_metrics(split: EvaluationSplit, posterior_BK: Tensor, strategy_NK: Tensor) -> dict[str, float]:
    strategies, latents = len(split.task.strategies), posterior_BK.shape[1]
    known_B = split.strategy_B >= 0
    aligned, posterior_BK, strategy_B = (
        _cross_fitted(split, posterior_BK),
        posterior_BK[known_B],
        split.strategy_B[known_B],
    )
    soft_KS = alignment.contingency(posterior_BK, strategy_B, strategies)
    hard_KS = alignment.contingency(alignment.one_hot_arg_max(posterior_BK), strategy_B, strategies)
    match = torch.tensor(best_matching(soft_KS.tolist()))
    follows_NK = (strategy_NK == match)[:, match >= 0]
    one_hot_BK = torch.eye(latents).repeat(len(split.rows_N), 1)
    halves_B = split.first_half_N.repeat_interleave(latents)
    many, chance = alignment.many_to_one_alignment(
        posterior_BK, strategy_B, strategies, split.first_half_N[split.prompt_B[known_B]]
    )
    return {
        "alignment": aligned,
        "alignment_hard": alignment.hard_alignment(posterior_BK, strategy_B, strategies),
        "alignment_hard_tie": float(alignment.is_tie(posterior_BK)),
        "alignment_nmi": alignment.normalised_information(soft_KS),
        "alignment_ami": alignment.adjusted_information(hard_KS),
        "alignment_many_to_one": many,
        "alignment_many_to_one_chance": chance,
        "alignment_generative": alignment.cross_fitted_alignment(
            one_hot_BK, strategy_NK.flatten(), strategies, halves_B
        ),
        "controllability": float(follows_NK.float().mean()),
    }


def _likelihood_metrics(scores: TokenScores, mask_BT: Tensor, exact_MBK: Tensor) -> dict[str, Tensor]:
    nll_MBK = losses.sequence_nll(scores.nll_BKT, mask_BT)
    nll_M = -torch.logsumexp(scores.log_prior_BK - nll_MBK, dim=-1).mean(-1)
    gap_M = (scores.log_q_BK.exp() * (scores.log_q_BK - exact_MBK)).sum(-1).mean(-1)
    tokens = mask_BT.sum() / len(mask_BT)
    return {
        "nll": nll_M,
        "elbo": -nll_M - gap_M,
        "diagnostics/elbo_gap": gap_M,
        "bits_per_token": nll_M / math.log(2) / tokens,
        "nll_baseline": torch.where(mask_BT > 0, scores.baseline_nll_BT, 0.0).sum(-1).mean(-1),
    }


def _loss_metrics(scores: TokenScores, mask_BT: Tensor, weights: LossWeights, form: LossForm) -> dict[str, Tensor]:
    terms = combine(scores, mask_BT, weights, scores.log_q_BK.exp().mean(-2), form)
    excess_MBT = losses.expected_nll(scores.log_q_BK, scores.nll_BKT) - scores.baseline_nll_BT
    weights_MBT = losses.token_weights(scores.baseline_nll_BT, mask_BT)
    # the headline among them comes last: exports have their columns in this order
    reported = sorted(TERMS, key=lambda term: not term.metric.startswith("loss/"))
    named = {term.metric: terms[term.name] for term in reported}
    return (
        {"loss/total": terms["total"]}
        | named
        | {
            "loss/excess_reconstruction": losses.weighted_mean(excess_MBT, weights_MBT, mask_BT),
        }
    )


def _divergence_metrics(scores: TokenScores, mask_BT: Tensor, ceiling_BT: Tensor | None) -> dict[str, Tensor]:
    weights_MBT = losses.token_weights(scores.baseline_nll_BT, mask_BT)
    routed_MBT = divergence.weighted_jsd(scores.logp_BKTV, losses.prefix_posterior(scores.log_prior_BK, scores.nll_BKT))
    count_T = mask_BT.sum(0).clamp_min(1)
    name = "diagnostics/inter_latent_jsd"
    metrics = {f"{name}/weighted_mean": losses.weighted_mean(scores.jsd_BT, weights_MBT, mask_BT)}
    if ceiling_BT is not None:
        metrics[f"{name}/ceiling"] = losses.weighted_mean(ceiling_BT, weights_MBT, mask_BT)
    metrics |= {
        f"{name}/unweighted_mean": losses.weighted_mean(scores.jsd_BT, mask_BT, mask_BT),
        f"{name}/posterior_weighted": losses.weighted_mean(routed_MBT, weights_MBT, mask_BT),
        "diagnostics/sequence_kl/teacher_forced": torch.where(
            mask_BT > 0, divergence.pairwise_kl(scores.logp_BKTV), 0.0
        )
        .sum(-1)
        .mean(-1),
    }
    for t, value_M in enumerate(((scores.jsd_BT * mask_BT).sum(-2) / count_T).unbind(-1)[:POSITIONS]):
        metrics[f"{name}/position/{t}"] = value_M
    for t, value_M in enumerate(((scores.baseline_nll_BT * mask_BT).sum(-2) / count_T).unbind(-1)[:POSITIONS]):
        metrics[f"diagnostics/baseline_nll/position/{t}"] = value_M
    return metrics


def _information_metrics(posterior_MBK: Tensor, given_x_MNK: Tensor, share_N: Tensor) -> dict[str, Tensor]:
    def entropy(p_K: Tensor) -> Tensor:
        return -torch.xlogy(p_K, p_K).sum(-1)

    marginal_MK = posterior_MBK.mean(-2)
    given_x_M, given_y_M = (entropy(given_x_MNK) * share_N).mean(-1), entropy(posterior_MBK).mean(-1)
    return {
        "diagnostics/information/z_x": entropy(marginal_MK) - given_x_M,
        "diagnostics/information/z_y_given_x": given_x_M - given_y_M,
        "diagnostics/usage_perplexity": entropy(marginal_MK).exp(),
        "diagnostics/active_latents": (marginal_MK > 0.5 / marginal_MK.shape[-1]).sum(-1),
    }


def _sampled_metrics(model: SharedDiscreteCVAE, split: EvaluationSplit, prior_MNK: Tensor) -> list[dict[str, float]]:
    rows_N, (members, _, latents) = split.rows_N[:SAMPLED_PROMPTS], prior_MNK.shape
    trace_MNKT = _outputs(model, split, rows_N, members, latents, split.uniform_BT)
    correct_MNK = _judge(split, rows_N, trace_MNKT).correct_MNK
    prompt_BP = split.task.prompts(rows_N).repeat_interleave(latents, dim=0).to(trace_MNKT.device)
    trace_MBT = trace_MNKT.flatten(1, 2)
    mask_MBT = counted(trace_MBT, split.task.end)
    scores = _score_in_chunks(model, Batch(prompt_BP.expand(members, -1, -1), trace_MBT, mask_MBT))
    nll_MNKK = torch.unflatten(losses.sequence_nll(scores.nll_BKT, mask_MBT), 1, (-1, latents)).cpu()
    accuracy_M = _share(correct_MNK, prior_MNK[:, : len(rows_N)])
    return [
        {
            "task_accuracy_sampled": accuracy,
            "diagnostics/sequence_kl/on_policy": estimate.mean,
            "diagnostics/sequence_kl/standard_error": estimate.standard_error,
        }
        for accuracy, estimate in zip(accuracy_M.tolist(), map(divergence.sequence_kl, nll_MNKK), strict=True)
    ]


def _forced_table(strategy_NK: Tensor, strategies: int) -> Tensor:
    """How often each latent writes each strategy, [K,S+1]; the last column counts what is none of them."""
    named_NK = torch.where(strategy_NK < 0, strategies, strategy_NK)
    return torch.nn.functional.one_hot(named_NK, strategies + 1).sum(0)
