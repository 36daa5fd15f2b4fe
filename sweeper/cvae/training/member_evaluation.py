"""The metrics of some rows of a pack at their present step, and the parameters they are of."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.cvae.evaluation.evaluate import Evaluation, evaluate
from sweeper.cvae.evaluation.split import EvaluationSplit
from sweeper.cvae.networks.model import with_parameters
from sweeper.cvae.objective import LossWeights
from sweeper.cvae.training.baseline import BaselineKey, baselines
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.protocols import RunningMember
from sweeper.cvae.training.schedules import HYPERPARAMETERS, hyperparameters, learning_rate


def trained_parameters(program: Program, flat_MW: Tensor, running: list[RunningMember]) -> dict[str, Tensor]:
    """All parameters of some members at their present step, their baselines' included, by name, [M, ...] each."""
    followed = [(BaselineKey.of(one.config, one.seed), one.step) for one in running]
    theirs_MW = baselines(program).parameters(followed)
    return program.layout.unflatten(flat_MW) | program.baseline_layout.unflatten(theirs_MW)


def evaluate_rows(
    program: Program,
    members: BatchedState,
    rows: list[int],
    running: list[RunningMember],
    split: EvaluationSplit | None = None,
) -> list[Evaluation]:
    """The metrics of some members at their present step, those of the optimiser included; of the program's split."""
    values_MX = torch.tensor([hyperparameters(one.config, [one.step]) for one in running], device=program.device)[
        ..., 0
    ]
    weights = LossWeights.of(dict(zip(HYPERPARAMETERS, values_MX.unbind(1), strict=True)))
    weights = weights._replace(token_weight_warmup=torch.ones_like(weights.token_weight_warmup))
    model = with_parameters(program.model, trained_parameters(program, members.flat_MW[rows], running))
    evaluations = evaluate(model, split or program.split, weights, program.form)
    norms, commits = torch.stack([members.norm_M[rows].double(), members.commit_M[rows].double()]).tolist()
    for evaluation, one, norm, commit in zip(evaluations, running, norms, commits, strict=True):
        evaluation.metrics["diagnostics/commit_step"] = commit
        evaluation.metrics["diagnostics/learning_rate"] = learning_rate(one.config.train, one.step)
        evaluation.metrics["diagnostics/gradient_norm"] = norm
    return evaluations
