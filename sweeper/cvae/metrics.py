"""Every metric the trainer reports, with its range and unit.

At each report they are computed on the split that decides: for tasks that are sampled or read from files the validation
split, for enumerated tasks the test split. The former have a test split besides: their last report also has
``test/NAME``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sweeper.cvae.terms import RECONSTRUCTIONS, TERMS

_TERMS = {term.metric: term.description for term in TERMS}
_HEADLINES = {
    "task_accuracy": "share of free-running greedy outputs, z from the prior, valid with the right answer, [0, 1]",
    "posterior_entropy": _TERMS["posterior_entropy"],
    "alignment": "soft one-to-one match of latents and strategies, fitted on one half, scored on the other, [0, 1]",
}
_TASK = {
    "task_accuracy_routed": "as task_accuracy, z from q(z|x,y), [0, 1]",
    "task_accuracy_sampled": "as task_accuracy, tokens sampled instead of greedy, [0, 1]",
    "answer_accuracy": "share of free-running outputs with the right answer token, [0, 1]",
    "valid_rate": "share of free-running outputs whose every step but the answer is valid, [0, 1]",
    "controllability": "share of outputs under a forced z that follow the strategy the router matched to z, [0, 1]",
    "coverage": "share of a prompt's strategies that some z produces, [0, 1]",
}
_ALIGNMENT = {
    "alignment_hard": "in-sample one-to-one match of the router's arg max and the strategy, [0, 1]",
    "alignment_hard_tie": "1 if the posterior is too flat for its arg max to mean anything, else 0",
    "alignment_nmi": "I(z;s)/H(s), bias-corrected, [0, 1]",
    "alignment_ami": "adjusted mutual information of the router's arg max and the strategy, at most 1, chance 0",
    "alignment_bayes": "as alignment, with the exact posterior in place of the router, [0, 1]",
    "alignment_many_to_one": "as alignment, but several latents may stand for one strategy (for K > S), [0, 1]",
    "alignment_many_to_one_chance": "alignment_many_to_one where z says nothing: 1/S for even strategies, [0, 1]",
    "alignment_generative": "one-to-one match of forced z and the strategy it writes; invalid counts as wrong, [0, 1]",
}
_LIKELIHOOD = {
    "nll": "exact -ln p(y|x), nats a sequence",
    "elbo": "evidence lower bound, nats a sequence, at most -nll",
    "bits_per_token": "exact -log2 p(y|x) a token",
    "nll_baseline": "-ln p0(y|x) of the z-free baseline, nats a sequence",
}
_LOSS = {
    "loss/total": "the objective on the test split, in its reduction's unit, the baseline's own loss aside",
    **{term.metric: term.description for term in RECONSTRUCTIONS},
    "loss/excess_reconstruction": "the NLL-weighted mean of nll minus the baseline's, nats a token",
    **_TERMS,
}
_DIAGNOSTICS = {
    "diagnostics/inter_latent_jsd/weighted_mean": "J, the NLL-weighted inter-latent JSD, [0, ln K] nats",
    "diagnostics/inter_latent_jsd/ceiling": "J if each latent were certain of its own valid token, nats",
    "diagnostics/inter_latent_jsd/unweighted_mean": "the plain mean of the JSD over tokens, [0, ln K] nats",
    "diagnostics/inter_latent_jsd/posterior_weighted": "J with latents weighted by p(z|x,y_<t): I(z;y_t|x,y_<t), nats",
    "diagnostics/inter_latent_jsd/position/T": "the JSD at target position T = 0, 1, ..., [0, ln K] nats",
    "diagnostics/baseline_nll/position/T": "the baseline's NLL at target position T = 0, 1, ..., nats",
    "diagnostics/information/z_x": "I(z;x) under the router: use of z that no strategy explains, nats",
    "diagnostics/information/z_y_given_x": "I(z;y|x) under the router, nats",
    "diagnostics/usage_perplexity": "exp of the entropy of the mean posterior, [1, K]",
    "diagnostics/active_latents": "latents that hold more than half of 1/K, [0, K]",
    "diagnostics/elbo_gap": "KL(q || exact posterior), mean, nats a sequence",
    "diagnostics/sequence_kl/on_policy": "mean KL between the outputs of two latents, estimated on their own, nats",
    "diagnostics/sequence_kl/standard_error": "standard error of that estimate, nats",
    "diagnostics/sequence_kl/teacher_forced": "its proxy: the summed KL of next tokens along the data, nats",
    "diagnostics/standard_error/task_accuracy": "of task_accuracy, over prompts; only where they are a sample",
    "diagnostics/standard_error/alignment": "of alignment, likewise",
    "diagnostics/standard_error/nll": "of nll, likewise, nats a sequence",
    "diagnostics/commit_step": "first step whose minibatch posterior entropy is under half of ln K, -1 if none",
    "diagnostics/learning_rate": "of the step just taken",
    "diagnostics/gradient_norm": "of the step just taken, before clipping",
}

ALIGNMENT = ("alignment", *_ALIGNMENT, "controllability", "coverage")
"""The metrics that need the strategies of the examples."""
_ERRORS = [f"diagnostics/standard_error/{name}" for name in ("task_accuracy", "alignment", "nll")]
_TESTED = (*_HEADLINES, *_TASK, *_ALIGNMENT, *_LIKELIHOOD, *_ERRORS)
REPORTED: Mapping[str, str] = MappingProxyType(_HEADLINES | _TASK | _ALIGNMENT | _LIKELIHOOD | _LOSS | _DIAGNOSTICS)
"""The metrics of every report."""


def _on_test_split(name: str, description: str) -> str:
    """The description of ``test/NAME``: with the same range, on which the test of a claim depends."""
    declared = ", [0, 1]" if description.endswith(", [0, 1]") else ""
    return f"{name} on the test split, at the end of a training{declared}"


METRICS: Mapping[str, str] = MappingProxyType(
    {**REPORTED} | {f"test/{name}": _on_test_split(name, REPORTED[name]) for name in _TESTED}
)
"""Name -> one line. A name that ends in ``/T`` stands for one metric per target position."""


def test_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Those of a test split, under the names that they have in the last report."""
    return {f"test/{name}": value for name, value in metrics.items() if name in _TESTED}


test_metrics.__test__ = False  # type: ignore[attr-defined]  # not a test
