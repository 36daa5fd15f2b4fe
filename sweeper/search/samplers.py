"""Optuna's samplers as sweeper sets them, and the studies that they look at."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sweeper.search.ranking import fronts
from sweeper.spec.sweep import Sweep

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

# A proposal that may not be used stays in sight of the sampler until another one can: then this many more are drawn.
REDRAWS = {"tpe": 50, "gp": 5, "cmaes": 50, "nsga2": 50}  # one of gp costs a quarter of a second
GP_SEES = 200  # results: a proposal takes 0.25 s then, and 15 s with 1000


def new_study(sweep: Sweep) -> Study:
    """An empty study in memory, with the directions of the goals."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = optuna.study.StudyDirection
    directions = [kinds.MAXIMIZE if goal.maximize else kinds.MINIMIZE for goal in sweep.goals]
    return optuna.create_study(directions=directions, sampler=sampler(sweep, []))


def sampler(sweep: Sweep, trials: Sequence[FrozenTrial]) -> BaseSampler:
    """The method's sampler. One that continues draws other numbers than the one that began."""
    from optuna import samplers
    from optuna.exceptions import ExperimentalWarning

    seed = (sweep.sampler_seed + len(trials)) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if sweep.method == "tpe":
            conditional = any(parameter.when for parameter in sweep.space.parameters)
            return samplers.TPESampler(seed=seed, multivariate=True, group=conditional, constant_liar=True)
        if sweep.method == "gp":
            return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        if sweep.method == "nsga2":
            return samplers.NSGAIISampler(seed=seed)
        complete = [trial for trial in trials if trial.state == state_of("COMPLETE")]
        # CMA-ES keeps its state in the trials that it proposed: in a new study it starts from the best tenth of them.
        known = complete if len(complete) >= 10 else None
        stops = sweep.early.type != "none"
        return samplers.CmaEsSampler(
            seed=seed, warn_independent_sampling=False, source_trials=known, consider_pruned_trials=stops
        )


def choose_parents(study: Study) -> None:
    """Let NSGA-II choose the parents of every generation in order.

    Asked for those of the last one only, it calls itself for each one before; with 20 000 results Python refuses.
    """
    from optuna.samplers import NSGAIISampler

    if isinstance(study.sampler, NSGAIISampler):
        complete = study.get_trials(deepcopy=False, states=[state_of("COMPLETE")])
        last = max((study.sampler.get_trial_generation(study, trial) for trial in complete), default=0)
        for generation in range(1, last + 1):
            study.sampler.get_parent_population(study, generation)


def thinned(study: Study) -> Study:
    """What GP looks at, whose cost grows with the cube of it: the better half of `GP_SEES`, the rest as they came."""
    import optuna

    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == state_of("COMPLETE")]
    if len(complete) <= GP_SEES:
        return study
    signs = [-1 if direction == optuna.study.StudyDirection.MAXIMIZE else 1 for direction in study.directions]
    costs = [tuple(s * v for s, v in zip(signs, trial.values, strict=True)) for trial in complete]
    broken = [sum(max(far, 0.0) for far in trial.constraints.values()) for trial in complete]
    places = fronts(costs)
    order = sorted(range(len(complete)), key=lambda i: (broken[i], places[i]))
    best, others = order[: GP_SEES // 2], sorted(order[GP_SEES // 2 :])
    spread = [others[k * len(others) // (GP_SEES // 2)] for k in range(GP_SEES // 2)]
    seen = optuna.create_study(directions=study.directions, sampler=study.sampler)
    seen.add_trials([complete[i] for i in sorted({*best, *spread})])
    seen.add_trials([trial for trial in trials if trial.state == state_of("RUNNING")])
    return seen


def state_of(name: str) -> Any:
    """Optuna's state of this name; here, so that only those who search load Optuna."""
    from optuna.trial import TrialState

    return TrialState[name]
