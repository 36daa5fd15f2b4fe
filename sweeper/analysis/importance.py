"""Which parameters matter: the share of a metric's variance that each explains, by fANOVA as Optuna computes it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sweeper.trial import Params

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FORESTS = 5  # fANOVA is random: it is repeated, and the spread is shown
TREES = 8  # a forest; 64, Optuna's default, say the same and take a minute for a thousand configurations
FEWEST = 4  # configurations below which it says nothing
ENOUGH = 10  # configurations a parameter, below which its values are a guess


@dataclass(frozen=True, slots=True)
class Importance:
    """The share of the variance that a parameter explains alone, in [0, 1]: the mean over forests, and their range."""

    parameter: str
    mean: float
    low: float
    high: float


def importances(points: Sequence[Params], values: Sequence[float], log: Mapping[str, bool]) -> list[Importance]:
    """The importance of every parameter, the greatest first.

    `points` are configurations that all name the same parameters, `values` the metric's mean over the seeds of each,
    `log` the parameters on a logarithmic scale. Hutter, Hoos, Leyton-Brown (2014): an efficient approach for assessing
    hyperparameter importance; Optuna's FanovaImportanceEvaluator computes it.
    """
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = list(points[0])
    spaces = {name: _space([point[name] for point in points], log.get(name, False)) for name in names}
    study = optuna.create_study()
    for point, value in zip(points, values, strict=True):
        params = {name: _number(spaces[name], point[name]) for name in names}
        study.add_trial(create_trial(params=params, distributions=spaces, value=value))
    found: dict[str, list[float]] = {name: [] for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(FORESTS):
            shares = get_param_importances(
                study, evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=seed), normalize=False
            )
            for name in names:
                found[name].append(shares.get(name, 0.0))
    rows = [Importance(name, float(np.mean(of)), min(of), max(of)) for name, of in found.items()]
    return sorted(rows, key=lambda row: -row.mean)


def _space(values: Sequence[object], log: bool) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted({json.dumps(value) for value in values}))
    low, high = float(min(numbers)), float(max(numbers))
    return FloatDistribution(low, high, log=log and low > 0)


def _number(space: BaseDistribution, value: object) -> object:
    from optuna.distributions import CategoricalDistribution

    return json.dumps(value) if isinstance(space, CategoricalDistribution) else value
