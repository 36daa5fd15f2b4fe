"""How far MLflow follows one trial, and what it should show of it, without MLflow itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sweeper.analysis.columns import parameter_column
from sweeper.tracking.experiment import MetricChoice
from sweeper.tracking.limits import LONGEST_TAG, legal, ms, run_name, text
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Value

STATUS = {
    State.COMPLETED: "FINISHED",
    State.PRUNED: "KILLED",
    State.STOPPED: "KILLED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
}

Point = tuple[str, float, int, int]  # metric, value, milliseconds since the epoch, step


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How the mirror stands: trials shown in full, trials that are not, the last error in one line ("" if none).

    `overviews` counts the runs of configurations and of the sweep that are missing or out of date.
    """

    runs: int
    behind: int
    error: str
    overviews: int = 0

    @property
    def is_whole(self) -> bool:
        return not (self.behind or self.overviews)

    def missing(self) -> str:
        """What is missing, in words: `3 trials and 1 overview`."""
        counts = ((self.behind, "trial"), (self.overviews, "overview"))
        return " and ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts if count)


@dataclass(frozen=True, slots=True)
class Found:
    """A run that is in MLflow, with the content of its tags.

    `kind` is trial, config or summary; `trial` and `config` are keys ("" where it has none), `parent` the run it is
    nested in, `digest` and `revision` the overview it shows and how often that changed, `metrics` their names.
    """

    run: str
    status: str
    start_ms: int = 0
    end_ms: int = 0
    kind: str = "trial"
    trial: str = ""
    config: str = ""
    attempt: str = ""
    results: str = ""
    parent: str = ""
    digest: str = ""
    revision: str = ""
    metrics: frozenset[str] = frozenset()


@dataclass(slots=True)
class MirroredTrial:
    """The copy of one trial: the ledger's record, and how much of it MLflow has.

    `run` is MLflow's run ("" for none), `outdated` the run of an earlier attempt that it replaces, `parent` the run it
    is nested in, `points` the reports written, `opened` whether the parameters are written, `complete` whether the end
    is, `interrupted` whether it was ended unfinished. `live` means that this process runs the trial: an attempt that a
    killed driver left unfinished is not live, and gets no run.
    """

    record: Record
    choice: MetricChoice = field(default_factory=MetricChoice)
    live: bool = False
    run: str = ""
    outdated: str = ""
    parent: str = ""
    points: int = 0
    opened: bool = False
    complete: bool = False
    interrupted: bool = False
    rejections: int = 0

    @property
    def running(self) -> bool:
        return self.live and self.record.ended is None

    @property
    def name(self) -> str:
        return run_name(self.record.trial.name, self.record.trial.key)

    @property
    def is_shown(self) -> bool:
        """Whether the trial has or gets a run."""
        return self.live or self.record.ended is not None

    @property
    def pending(self) -> bool:
        """Whether the record holds more than MLflow shows."""
        if self.record.ended is not None:
            return not self.complete
        return self.live and not (self.opened and self.points == len(self.record.reports))

    def take(self, event: Event) -> None:
        """Adds an event. A new attempt begins a new run; what comes late from an earlier one, or twice, is dropped."""
        if self._begins(event):
            since = event.step if isinstance(event, Started) else 0  # where a checkpoint let it take up
            kept = [report for report in self.record.reports if since and report.step <= since]
            self.record = Record(self.record.trial, event.attempt, reports=kept)
            self.forget(self.run)
        elif event.attempt < self.record.attempt or self.record.ended is not None:
            return
        self.live = True
        match event:
            case Started():
                self.record.started = event
            case Reported():
                self.record.reports.append(event)
            case Ended():
                self.record.ended = event

    def forget(self, outdated: str = "") -> None:
        """Knows nothing of MLflow any more, except the run to remove when the new one is made."""
        self.run, self.outdated, self.parent = "", outdated, ""
        self.points, self.opened, self.complete, self.interrupted = 0, False, False, False
        self.choice.others.clear()

    def adopt(self, found: Found) -> bool:
        """Takes a run in MLflow for its own, if it is whole or can be completed (points written twice count once)."""
        whole = self.is_whole(found)
        mendable = self.is_shown and found.status == "RUNNING" and found.attempt == str(self.record.attempt)
        if self.run or not (whole or mendable):
            return False
        self.run, self.parent, self.opened, self.complete = found.run, found.parent, whole, whole
        return True

    def is_whole(self, found: Found) -> bool:
        """Whether a run shows all of an ended attempt: its end is written last, with the time of the attempt's end."""
        ended = self.record.ended
        return ended is not None and found.end_ms == ms(ended.at) and found.status == STATUS[ended.state]

    def start_ms(self) -> int:
        """When the attempt began, in milliseconds since the epoch."""
        if self.record.ended is not None:
            return ms(self.record.ended.started_at)
        return ms(self.record.started.at) if self.record.started is not None else 0

    def tags(self) -> dict[str, str]:
        """What tells the trial's run from others, and how the trial stands."""
        trial, ended = self.record.trial, self.record.ended
        last = ended or self.record.started
        tags = {
            "sweeper.kind": "trial",
            "sweeper.trial": trial.key,
            "sweeper.config": trial.config,
            "sweeper.attempt": str(self.record.attempt),
            "sweeper.state": str(State.RUNNING if ended is None else ended.state),
            "sweeper.reason": ended.reason if ended else "",
            "sweeper.code": trial.code,
            "sweeper.device": last.device if last else "",
            "sweeper.host": last.host if last else "",
            "sweeper.origin": ended.origin if ended else "",
            "mlflow.source.name": trial.trainer,
            "mlflow.source.git.commit": ended.commit if ended else "",
        }
        return {name: value[:LONGEST_TAG] for name, value in tags.items() if value}

    def params(self) -> dict[str, str]:
        """Every setting of the trial and its seed, as text that reads back: 3000000, 0.1, true, null, adam."""
        trial = self.record.trial
        settings: dict[str, Value] = {parameter_column(name): value for name, value in trial.params.items()}
        settings["seed"] = trial.seed
        return {legal(name): text(value) for name, value in settings.items()}

    def new_points(self) -> Iterator[Point]:
        """The reports not written yet, and after the last one the final metrics that differ from it."""
        reports, ended = self.record.reports, self.record.ended
        for at, report in enumerate(reports[self.points :], self.points):
            before = reports[at - 1] if at else None  # a later report of the same step has its metrics, too
            known = before.metrics if before is not None and before.step == report.step else {}
            for name, value in self.choice.in_order(report.metrics):
                if not _same(known.get(name), value) and self.choice.admits(name):
                    yield legal(name), float(value), ms(report.at), report.step
        if ended is None:
            return
        last = reports[-1] if reports else None
        shown = last.metrics if last is not None and last.step == ended.steps else {}
        # MLflow shows the point of the largest step, then time: a clock set back must not hide the final value.
        at_ms = max(ms(ended.at), ms(last.at) + 1 if last else 0)
        for name, value in self.choice.in_order(ended.metrics):
            if not _same(shown.get(name), value) and self.choice.admits(name):
                yield legal(name), float(value), at_ms, ended.steps

    def _begins(self, event: Event) -> bool:
        if event.attempt != self.record.attempt or not isinstance(event, Started):
            return event.attempt > self.record.attempt
        ended = self.record.ended
        return event.at > ended.at if ended is not None else not self.live


def _same(shown: float | None, final: float) -> bool:
    return shown is not None and (shown == final or (shown != shown and final != final))
