"""How many steps the trials of a run make, how many are made, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from sweeper.ledger.live_steps import LiveSteps
from sweeper.search.pruner import full_steps
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial

# Endings of the last word of a setting that gives the length of a trial; with others it counts something else.
_COUNTS = ("steps", "epochs", "iterations", "iters")
_OTHERS = ("every", "per", "eval", "warmup", "save", "log", "report", "startup")


@dataclass(slots=True)
class _TrialSteps:
    """A trial of this run: the step at which it was taken up, the last one reported, and how it ended.

    `timed_from` is the step from which its steps count for the pace; None until it is known.
    """

    declared: float | None
    first: float = 0
    last: float = 0
    ended: State | None = None
    timed_from: float | None = None

    @property
    def timed(self) -> float:
        return 0 if self.timed_from is None else max(self.last - self.timed_from, 0)


class Workload:
    """The steps of the trials that a run will end; a trial without a number of steps counts like the others.

    `trials` is how many trials there will be, those that a search has not proposed included. What a checkpoint or
    another sweep had already is no work of this run. Times are monotonic seconds.

    The pace is that since the first report of the run. What the first trials did until their own first report is not in
    it: it took imports and a start-up that no later trial has.
    """

    def __init__(self, trials: int, planned: Iterable[Trial] = ()) -> None:
        self.trials = trials
        self.began: float | None = None  # when the first trial began
        self.first_report: float | None = None
        self.last_report = 0.0
        self._trials = {trial.key: _TrialSteps(declared_steps(trial)) for trial in planned}

    def advance(self, trial: Trial, event: Event, now: float | None = None) -> None:
        """Something happened to a trial."""
        now = time.monotonic() if now is None else now
        if isinstance(event, Ended) and event.origin:
            self.trials -= 1
            return
        if (steps := self._trials.get(trial.key)) is None:
            steps = self._trials[trial.key] = _TrialSteps(declared_steps(trial))
        if isinstance(event, Started):
            self.began = now if self.began is None else self.began
            steps.first = steps.last = event.step
            steps.timed_from = None if self.first_report is None else event.step
            steps.ended = None
        elif isinstance(event, Reported):
            self._reach(steps, event.step, now)
        elif event.retry:
            steps.last = steps.first
            steps.timed_from = None
        else:
            steps.last, steps.ended = event.steps, event.state
            self.last_report = now

    def reach(self, trial: Trial, step: int, now: float | None = None) -> None:
        """A trial has made this step, and may report it later."""
        if (steps := self._trials.get(trial.key)) is not None and steps.ended is None and step > steps.last:
            self._reach(steps, step, time.monotonic() if now is None else now)

    def _reach(self, steps: _TrialSteps, step: int, now: float) -> None:
        self.first_report = now if self.first_report is None else self.first_report
        self.last_report = now
        steps.last = step
        steps.timed_from = step if steps.timed_from is None else steps.timed_from

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

    def pace(self, now: float) -> float | None:
        """Steps per second; None while too little is known."""
        trials = list(self._trials.values())
        timed, spent = sum(one.timed for one in trials), self.last_report - (self.first_report or 0.0)
        training = [one for one in trials if one.last > one.first and one.ended is None]
        if timed and spent > 0 and (self.ended or all(one.timed for one in training)):
            return timed / spent
        spent = now - self.began if self.began is not None else 0.0
        return self.made / spent if self.ended and spent > 0 and self.made else None

    def left_s(self, now: float) -> float | None:
        """Seconds until the rest is made, at the pace so far; None while there is none."""
        if total := self.total:
            pace = self.pace(now)
            left = (total - self.made) / pace if pace else None
            # The steps since the last report are not known yet: count down, but not to nothing.
            return None if left is None else max(left - (now - self.last_report), 0.1 * left)
        spent = now - self.began if self.began is not None else 0.0
        return spent * (self.trials - self.ended) / self.ended if self.ended and spent > 0 else None


def workload_of(records: Sequence[Record], began: float, live: LiveSteps) -> Workload:
    """The steps that these trials have made in a run that began then, as its own terminal counts them."""
    work, events = Workload(len(records), [record.trial for record in records]), list[tuple[Trial, Event]]()
    for record in records:
        own = [report for report in record.reports if report.attempt == record.attempt]
        found = (record.started, *own[:1], *own[1:][-1:], record.ended, *_live_events(record, live))
        events += [(record.trial, event) for event in found if event is not None and event.at >= began]
    for trial, event in sorted(events, key=lambda one: one[1].at):
        work.advance(trial, event, event.at)
    return work


def _live_events(record: Record, live: LiveSteps) -> Iterator[Reported]:
    """The first and the last step of a trial that runs, as if it had reported nothing there."""
    key = record.trial.key
    reported = record.reports[-1].step if record.reports else 0
    if record.state is State.RUNNING and live.steps.get(key, 0) > reported:
        if key in live.first:
            yield Reported(key, record.attempt, *live.first[key], {})
        yield Reported(key, record.attempt, live.at, live.steps[key], {})


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
