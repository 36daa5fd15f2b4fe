"""Records of imaginary trials, for tests that need some to write down."""

from __future__ import annotations

from typing import Any

from sweeper.trial import Ended, Reported, Started, State, Trial, config_key, trial_key


def make_trial(seed: int = 0, **varied: Any) -> Trial:
    """A trial of an imaginary trainer."""
    config = config_key("imaginary", varied)
    return Trial(trial_key(config, seed, "c0de"), config, seed, varied, {}, "imaginary", "c0de")


def make_end(trial: Trial, state: State = State.COMPLETED, **metrics: float) -> Ended:
    """The end of its first attempt, after 10 steps and 2 seconds."""
    return Ended(trial.key, 1, 1002.0, state, "", metrics, 10, 2.0, 1000.0, "cpu", "here", "abc")


def make_life(trial: Trial, *scores: float) -> list[Started | Reported | Ended]:
    """The events of a completed trial that reported these scores."""
    reports = [Reported(trial.key, 1, 1000.0 + i, i, {"score": score}) for i, score in enumerate(scores, 1)]
    return [Started(trial.key, 1, 1000.0, "cpu", "here"), *reports, make_end(trial, score=scores[-1])]
