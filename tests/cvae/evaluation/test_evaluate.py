"""The metrics of models made by hand: perfect, collapsed and wrong. Shapes as in evaluate.py."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from sweeper.cvae.config import METRICS, build
from sweeper.cvae.evaluation.evaluate import evaluate
from sweeper.cvae.evaluation.split import EvaluationSplit
from sweeper.cvae.networks.model import CVAEOutput
from sweeper.cvae.objective import LossForm
from sweeper.cvae.tasks import make_task
from tests.cvae.networks.networks import stack, weights_of

CPU = torch.device("cpu")
LOUD = 30.0
TASK = make_task(build({}).task)


class Oracle(nn.Module):
    """A model that knows the task: latent k writes strategy ``order[k]``, -1 the mixture of all, -2 nonsense."""

    def __init__(self, task, order, routed=True):
        super().__init__()
        self.task, self.order, self.routed, self.generator = task, order, routed, self
        self.vocabulary = len(task.trace_vocabulary)

    def rows(self, prompt_BP):
        same_BN = (prompt_BP[:, None] == self.task.prompts_NP).all(-1)
        return same_BN.int().argmax(1)

    def latent_logits(self, prompt_BP, previous_BT, k):
        traces_BST = self.task.traces_NST[self.rows(prompt_BP)]
        length = previous_BT.shape[1]
        follows_BS = (traces_BST[:, :, :length] == previous_BT[:, None]).all(-1).float()
        if self.order[k] >= 0:
            follows_BS = torch.nn.functional.one_hot(torch.tensor(self.order[k]), len(self.task.strategies)).expand(
                len(prompt_BP), -1
            )
        next_BSV = torch.nn.functional.one_hot(traces_BST[:, :, length], self.vocabulary)
        mass_BV = (follows_BS[..., None] * next_BSV).sum(1).float() + math.exp(-LOUD)
        return (mass_BV / mass_BV.sum(1, keepdim=True)).log() if self.order[k] > -2 else torch.zeros_like(mass_BV)

    def begin(self, prompt_BP, latents_B):
        return self.extend(None, 0, latents_B, (prompt_BP, torch.zeros(len(prompt_BP), 0, dtype=torch.long)))

    def extend(self, token_B, _position, latents_B, state):
        prompt_BP, previous_BT = state
        if token_B is not None:
            previous_BT = torch.cat([previous_BT, token_B[:, None]], dim=1)
        every_KBV = torch.stack([self.latent_logits(prompt_BP, previous_BT, k) for k in range(len(self.order))])
        return every_KBV[latents_B, torch.arange(len(latents_B))], (prompt_BP, previous_BT)

    def forward(self, prompt_BP, target_BT, mask_BT):
        length, latents = target_BT.shape[1], len(self.order)
        steps = [
            torch.stack([self.latent_logits(prompt_BP, target_BT[:, :t], k) for k in range(latents)], dim=1)
            for t in range(length)
        ]
        named_B = self.task.name_strategy(self.rows(prompt_BP), target_BT)
        owns_BK = named_B[:, None] == torch.tensor(self.order)
        router_BK = LOUD * owns_BK.float() if self.routed else torch.zeros(len(target_BT), latents)
        prior_BK = torch.full((len(target_BT), latents), -math.log(latents))
        return CVAEOutput(torch.stack(steps, dim=2), router_BK, prior_BK, torch.stack(steps, dim=2).mean(1))


class SideBySide(nn.Module):
    """Several oracles behind the interface of stacked networks."""

    def __init__(self, *oracles):
        super().__init__()
        self.oracles, self.generator = oracles, self

    def forward(self, *batch_M):
        return stack([oracle(*batch) for oracle, *batch in zip(self.oracles, *batch_M, strict=True)])

    def begin(self, prompt_MBP, latents_B):
        return self.after([oracle.begin(p, latents_B) for oracle, p in zip(self.oracles, prompt_MBP, strict=True)])

    def extend(self, token_MB, position, latents_B, states):
        each = zip(self.oracles, token_MB, states, strict=True)
        return self.after([oracle.extend(token_B, position, latents_B, state) for oracle, token_B, state in each])

    def after(self, steps):
        logits, states = zip(*steps, strict=True)
        return torch.stack(logits), states


def evaluations_of(*oracles, prompts=32):
    split = EvaluationSplit.of(TASK, TASK.split(prompts).reported_N, len(oracles[0].order), CPU)
    model: Any = SideBySide(*oracles)
    return evaluate(model, split, stack([weights_of()] * len(oracles)), LossForm())


def metrics_of(order, routed=True):
    return evaluations_of(Oracle(TASK, order, routed))[0]


def test_members_evaluated_together_have_the_metrics_they_have_alone():
    orders = [[3, 1, 4, 0, 5, 2], [-1] * 6, [0, 1, 2, -2, 4, 4]]
    together = evaluations_of(*(Oracle(TASK, order) for order in orders))
    for order, evaluation in zip(orders, together, strict=True):
        alone = metrics_of(order)
        assert evaluation.metrics == pytest.approx(alone.metrics, rel=1e-6, abs=1e-6)
        assert torch.equal(evaluation.forced_KS, alone.forced_KS)
        assert torch.allclose(evaluation.confusion_KS, alone.confusion_KS)


def test_a_perfect_model_has_perfect_metrics():
    evaluation = metrics_of([3, 1, 4, 0, 5, 2])
    ones: tuple[str, ...] = (
        "task_accuracy",
        "task_accuracy_routed",
        "task_accuracy_sampled",
        "answer_accuracy",
        "valid_rate",
    )
    for name in ones:
        assert evaluation.metrics[name] == 1.0, name  # not 0.99999994: a condition on >= 1 must be reached
    ones += (
        "alignment",
        "alignment_many_to_one",
        "alignment_hard",
        "alignment_ami",
        "alignment_bayes",
        "alignment_generative",
    )
    for name in (*ones, "controllability", "coverage"):
        assert evaluation.metrics[name] == pytest.approx(1.0, abs=1e-6), name
    wanted = {"nll": math.log(6), "elbo": -math.log(6), "posterior_entropy": 0.0, "alignment_hard_tie": 0.0}
    wanted |= {"bits_per_token": math.log2(6) / 7, "diagnostics/information/z_x": 0.0}
    wanted |= {"diagnostics/information/z_y_given_x": math.log(6), "loss/router_marginal_kl": 0.0}
    wanted |= {"diagnostics/usage_perplexity": 6.0, "diagnostics/active_latents": 6.0}
    assert {name: evaluation.metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-4)
    assert evaluation.forced_KS.argmax(1).tolist() == [3, 1, 4, 0, 5, 2]
    assert evaluation.confusion_KS.argmax(1).tolist() == [3, 1, 4, 0, 5, 2]


def test_the_divergence_of_a_perfect_model_reaches_its_ceiling_at_the_forks():
    metrics = metrics_of([0, 1, 2, 3, 4, 5]).metrics
    at = "diagnostics/inter_latent_jsd/position/{}".format
    assert metrics[at(0)] == pytest.approx(math.log(3), abs=1e-4)
    assert metrics["diagnostics/sequence_kl/on_policy"] > 10
    assert metrics["diagnostics/sequence_kl/on_policy"] == pytest.approx(
        metrics["diagnostics/sequence_kl/teacher_forced"], rel=0.9
    )


def test_a_collapsed_model_is_accurate_and_meaningless():
    metrics = metrics_of([-1] * 6, routed=False).metrics
    wanted = {"task_accuracy": 1.0, "answer_accuracy": 1.0, "task_accuracy_sampled": 1.0, "alignment": 1 / 6}
    wanted |= {"alignment_hard_tie": 1.0, "posterior_entropy": math.log(6)}
    wanted |= {"nll": math.log(6), "diagnostics/inter_latent_jsd/weighted_mean": 0.0, "coverage": 1 / 6}
    wanted |= {"diagnostics/sequence_kl/on_policy": 0.0, "diagnostics/elbo_gap": 0.0}
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-4)


def test_a_latent_that_writes_nonsense_costs_its_share():
    evaluation = metrics_of([0, 1, 2, -2])
    assert evaluation.metrics["task_accuracy"] == pytest.approx(0.75)
    assert evaluation.metrics["alignment_generative"] == pytest.approx(0.75)
    assert evaluation.metrics["controllability"] == pytest.approx(0.75)
    assert evaluation.forced_KS[3].tolist() == [0, 0, 0, 0, 0, 0, 32]


def test_controllability_asks_for_the_strategy_that_the_router_saw():
    """The generator writes what it likes: coverage is full, but forced z does not give the router's strategy."""

    class Crossed(Oracle):
        def forward(self, *batch):
            output = super().forward(*batch)
            return output._replace(router_logits_BK=output.router_logits_BK.roll(1, dims=1))

    metrics = evaluations_of(Crossed(TASK, [0, 1, 2, 3, 4, 5]))[0].metrics
    for name in ("alignment", "alignment_generative", "coverage"):
        assert metrics[name] == pytest.approx(1.0)
    assert metrics["controllability"] == 0.0


def test_the_forks_have_three_and_two_valid_tokens():
    counts_BT = TASK.next_tokens(TASK.split(32).reported_N)
    assert counts_BT is not None
    assert (counts_BT[:, 0] == 3).all()
    assert (counts_BT[:, 2] == 2).all()
    assert (counts_BT[:, 1::2] == 1).all()


def test_the_split_holds_each_strategy_of_each_prompt():
    split = EvaluationSplit.of(TASK, TASK.split(256).reported_N, 6, CPU)
    assert len(split.batch.target_BT) == 1536
    assert torch.bincount(split.strategy_B).tolist() == [256] * 6


def test_every_metric_of_evaluation_is_described():
    optimiser = {"diagnostics/commit_step", "diagnostics/learning_rate", "diagnostics/gradient_norm"}
    families = {name.removesuffix("/T") for name in METRICS if name.endswith("/T")}
    found = {
        name.rpartition("/")[0] + "/T" if name.rpartition("/")[0] in families else name
        for name in metrics_of([0, 1]).metrics
    }
    tested = {name for name in METRICS if name.startswith("test/")}  # of tasks with a validation split
    errors = {name for name in METRICS if name.startswith("diagnostics/standard_error/")}  # of sampled tasks
    assert found == METRICS.keys() - optimiser - tested - errors
