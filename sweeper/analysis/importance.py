"""Which parameters matter: exact shares of the variance for a complete grid, else PED-ANOVA or fANOVA as in Optuna."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from sweeper.trial import Params

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.importance import BaseImportanceEvaluator

REPEATS = 5  # forests, or resamples: what is random is repeated, and the range is shown
TREES = 8  # of a forest; 64, Optuna's default, agree and take a minute for a thousand configurations
FEWEST = 4  # configurations below which it means nothing
MOST = 1000  # configurations of PED-ANOVA, drawn at random from more
MOST_OF_FOREST = 400  # drawn anew for each forest: its time grows with the square of them
ENOUGH = 10  # configurations a parameter, below which its values are a guess
TOP, TOP_COUNT = 0.1, 5  # the best share of the configurations for PED-ANOVA, and at least how many


class Method(StrEnum):
    """How importance was computed."""

    ANOVA = "anova"
    PED_ANOVA = "ped-anova"
    FANOVA = "fanova"


@dataclass(frozen=True, slots=True)
class Importance:
    """The share that a parameter explains alone, in [0, 1]: the mean over repeats, and their range."""

    parameter: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Importances:
    """The importance of every parameter, the greatest first.

    `count` is how many configurations each of the `repeats` saw, `top` the share of PED-ANOVA's best ones.
    """

    method: Method
    rows: list[Importance]
    count: int
    top: float = TOP
    repeats: int = REPEATS


def importances(
    points: Sequence[Params], values: Sequence[float], log: Mapping[str, bool], maximize: bool | None = None
) -> Importances:
    """The importance of every parameter: exact for a complete grid, PED-ANOVA where it is known what is better.

    `points` are configurations that all name the same parameters, `values` the metric's mean over the seeds of each,
    `log` the parameters on a logarithmic scale. Watanabe, Bansal, Hutter (2023): PED-ANOVA; Hutter, Hoos, Leyton-Brown
    (2014): fANOVA; Optuna computes both.
    """
    if is_complete_grid(points):
        return Importances(Method.ANOVA, grid_shares(points, values), len(points))
    if maximize is None:
        return Importances(Method.FANOVA, _fanova(points, values, log), min(len(points), MOST_OF_FOREST))
    points, values = _drawn(points, values, MOST)
    top = min(0.5, max(TOP, TOP_COUNT / len(points)))
    costs = np.asarray(values) * (-1 if maximize else 1)
    return Importances(Method.PED_ANOVA, _ped_anova(points, costs, log, top), len(points), top)


def is_complete_grid(points: Sequence[Params]) -> bool:
    """Whether every combination of the parameters' values is there, once."""
    keys = [tuple(json.dumps(value) for value in point.values()) for point in points]
    return len(set(keys)) == len(keys) == math.prod(len(set(level)) for level in zip(*keys, strict=True))


def grid_shares(points: Sequence[Params], values: Sequence[float]) -> list[Importance]:
    """The share of the variance over a complete grid that the means along each parameter have: its main effect."""
    found = []
    for name in points[0]:
        groups: dict[str, list[float]] = {}
        for point, value in zip(points, values, strict=True):
            groups.setdefault(json.dumps(point[name]), []).append(value)
        share = float(np.var([np.mean(group) for group in groups.values()]) / np.var(values))
        found.append(Importance(name, share, share, share))
    return sorted(found, key=lambda row: -row.mean)


def _fanova(points: Sequence[Params], values: Sequence[float], log: Mapping[str, bool]) -> list[Importance]:
    from optuna.importance import FanovaImportanceEvaluator

    runs = []
    for seed in range(REPEATS):
        some, theirs = _drawn(points, values, MOST_OF_FOREST, seed)
        evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
        runs.append(_evaluated(some, theirs, log, evaluator, normalize=False))
    return _ranges(runs, runs)


def _ped_anova(points: Sequence[Params], costs: np.ndarray, log: Mapping[str, bool], top: float) -> list[Importance]:
    from optuna.importance import PedAnovaImportanceEvaluator

    draws, all_points = np.random.default_rng(0), np.arange(len(points))
    resamples = [draws.choice(all_points, len(points)) for _ in range(REPEATS)]
    evaluator = PedAnovaImportanceEvaluator(target_quantile=top)
    whole, *runs = (
        _evaluated([points[i] for i in chosen], costs[chosen], log, evaluator, normalize=True)
        for chosen in (all_points, *resamples)
    )
    return _ranges([whole], [whole, *runs])


def _drawn(
    points: Sequence[Params], values: Sequence[float], most: int, seed: int = 0
) -> tuple[Sequence[Params], Sequence[float]]:
    """All of them, or `most` drawn at random without replacement, in their order."""
    if len(points) <= most:
        return points, values
    drawn = sorted(np.random.default_rng(seed).choice(len(points), most, replace=False))
    return [points[i] for i in drawn], [values[i] for i in drawn]


def _ranges(shown: Sequence[Mapping[str, float]], runs: Sequence[Mapping[str, float]]) -> list[Importance]:
    rows = [
        Importance(
            name, float(np.mean([run[name] for run in shown])), min(r[name] for r in runs), max(r[name] for r in runs)
        )
        for name in shown[0]
    ]
    return sorted(rows, key=lambda row: -row.mean)


def _evaluated(
    points: Sequence[Params],
    values: Sequence[float] | np.ndarray,
    log: Mapping[str, bool],
    evaluator: BaseImportanceEvaluator,
    *,
    normalize: bool,
) -> dict[str, float]:
    import optuna
    from optuna.importance import get_param_importances
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = list(points[0])
    spaces = {name: _space([point[name] for point in points], log.get(name, False)) for name in names}
    study = optuna.create_study()
    for point, value in zip(points, values, strict=True):
        params = {name: _number(spaces[name], point[name]) for name in names}
        study.add_trial(create_trial(params=params, distributions=spaces, value=float(value)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, evaluator=evaluator, normalize=normalize)
    return {name: shares.get(name, 0.0) for name in names}


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
