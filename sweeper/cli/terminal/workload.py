"""How many steps the trials of a run make, how many are made, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from sweeper.search.pruner import full_steps
from sweeper.trial import Ended, Event, Reported, Started, State, Trial

# Endings of the last word of a setting that gives the length of a trial; with others it counts something else.
_COUNTS = ("steps", "epochs", "iterations", "iters")
_OTHERS = ("every", "per", "eval", "warmup", "save", "log", "report", "startup")


@dataclass(slots=True)
class _TrialSteps:
    """A trial of this run: the step at which it was taken up, the last one reported, and how it ended."""

    declared: float | None
    first: float = 0
    last: float = 0
    ended: State | None = None


class Workload:
    """The steps of the trials that a run will end; a trial without a number of steps counts like the others.

    `trials` is how many trials there will be, those that a search has not proposed included. What a checkpoint or
    another sweep had already is no work of this run. Times are monotonic seconds.
    """

    def __init__(self, trials: int, planned: Iterable[Trial] = ()) -> None:
        self.trials = trials
        self.began: float | None = None  # when the first trial began
        self._trials = {trial.key: _TrialSteps(declared_steps(trial)) for trial in planned}

    def advance(self, trial: Trial, event: Event) -> None:
        """Something happened to a trial."""
        if isinstance(event, Ended) and event.origin:
            self.trials -= 1
            return
        steps = self._trials.setdefault(trial.key, _TrialSteps(declared_steps(trial)))
        if isinstance(event, Started):
            self.began = time.monotonic() if self.began is None else self.began
            steps.first = steps.last = event.step
            steps.ended = None
        elif isinstance(event, Reported):
            steps.last = event.step
        elif event.retry:
            steps.last = steps.first
        else:
            steps.last, steps.ended = event.steps, event.state

    @property
    def ended(self) -> int:
        return sum(steps.ended is not None for steps in list(self._trials.values()))

    @property
    def made(self) -> float:
        """Steps that this run has made."""
        return sum(max(steps.last - steps.first, 0) for steps in list(self._trials.values()))

    @property
    def total(self) -> float | None:
        """Steps that this run will have made; None where the length of a trial is not known."""
        trials = list(self._trials.values())
        whole = _Ends.of(one for one in trials if one.ended is State.COMPLETED)  # where a trial that trains will end
        likely = _Ends.of(one for one in trials if one.ended is not None)  # one that waits may be pruned as others were
        ends = [(whole if one.last > one.first else likely).end(one) for one in trials]
        known = [end for end in ends if end is not None]
        if not known or len(known) < len(ends):
            return None
        unknown = max(self.trials - len(trials), 0)  # of a search that is not through
        made = sum(max(end - one.first, 0) for end, one in zip(known, trials, strict=True))
        return made + unknown * fmean(known)

    def left_s(self, now: float) -> float | None:
        """Seconds until the rest is made, at the pace since the first trial began; None while there is none."""
        spent = now - self.began if self.began is not None else 0.0
        total = self.total
        done, rest = (self.made, total - self.made) if total else (self.ended, self.trials - self.ended)
        return spent * rest / done if done > 0 and spent > 0 else None


@dataclass(frozen=True, slots=True)
class _Ends:
    """What ended trials predict for others: their mean last step, and its mean share of what they declared.

    Trainers may count otherwise than they declare, one report per epoch for example.
    """

    mean: float | None
    share: float

    @classmethod
    def of(cls, ended: Iterable[_TrialSteps]) -> _Ends:
        trials = [steps for steps in ended if steps.last > 0]
        shares = [steps.last / steps.declared for steps in trials if steps.declared]
        mean = fmean(steps.last for steps in trials) if trials else None
        return cls(mean, fmean(shares) if shares else 1.0)

    def end(self, steps: _TrialSteps) -> float | None:
        """The step at which a trial ends; None where it is not known."""
        if steps.ended is not None:
            return steps.last
        expected = steps.declared * self.share if steps.declared is not None else self.mean
        return None if expected is None else max(expected, steps.last)


def declared_steps(trial: Trial) -> float | None:
    """How many steps, epochs or iterations a trial makes, from its settings: `train.steps: 2000`."""
    if (steps := full_steps(trial)) is not None:
        return steps
    for name, value in trial.params.items():
        words = name.lower().replace(".", "_").split("_")
        is_count = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        if is_count and words[-1] in _COUNTS and not set(words) & set(_OTHERS):
            assert isinstance(value, int | float)
            return float(value)
    return None
