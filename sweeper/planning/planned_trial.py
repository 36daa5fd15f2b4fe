"""What a run would do with each trial of a sweep, given the results that are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from sweeper.ledger.history import History, read_history, readable
from sweeper.trial import State, Trial


class Action(StrEnum):
    """What a run would do with a trial."""

    CACHED = "cached"  # this sweep has its result
    REUSED = "reused"  # another sweep of the results folder has its result
    STALE = "stale"  # it has a result of older trainer code
    FAILED = "failed before"
    STOPPED = "stopped by hand"
    RUN = "to run"


class Rerun(StrEnum):
    """What to run again although the ledger holds it."""

    NOTHING = "nothing"
    FAILED = "failed"
    STOPPED = "stopped"
    STALE = "stale"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial with its action, the reason, and the sweep a reused result comes from."""

    trial: Trial
    action: Action
    why: str
    origin: str = ""


def planned_trials(trials: list[Trial], own: History, rerun: Rerun, results: Path, name: str) -> Iterator[PlannedTrial]:
    elsewhere: dict[str, str] | None = None
    older = {(r.trial.config, r.trial.seed): r.trial for r in own.records.values() if r.state.is_result}
    for trial in trials:
        record = own.records.get(trial.key)
        state = record.state if record else State.PENDING
        if rerun is Rerun.ALL:
            yield PlannedTrial(trial, Action.RUN, "asked for: --rerun all")
        elif state.is_result:
            yield PlannedTrial(trial, Action.CACHED, f"{state} in this sweep")
        elif state is State.FAILED and rerun is not Rerun.FAILED:
            yield PlannedTrial(trial, Action.FAILED, record.ended.reason if record and record.ended else "")
        elif state is State.STOPPED and rerun is not Rerun.STOPPED:
            yield PlannedTrial(trial, Action.STOPPED, record.ended.reason if record and record.ended else "")
        elif state is State.PENDING and (trial.config, trial.seed) in older and rerun is not Rerun.STALE:
            earlier = older[trial.config, trial.seed]
            stale = replace(trial, key=earlier.key, code=earlier.code)
            yield PlannedTrial(
                stale, Action.STALE, f"trained by older code or data ({stale.code}); --rerun stale trains it again"
            )
        else:
            elsewhere = _results_elsewhere(results, name) if elsewhere is None else elsewhere
            if trial.key in elsewhere and state is State.PENDING:
                yield PlannedTrial(trial, Action.REUSED, f"trained in {elsewhere[trial.key]}", elsewhere[trial.key])
            else:
                yield PlannedTrial(trial, Action.RUN, _why_run(state, record is not None))


def _why_run(state: State, known: bool) -> str:
    if state is State.FAILED:
        return "failed before; asked for: --rerun failed"
    if state is State.STOPPED:
        return "stopped by hand; asked for: --rerun stopped"
    return "not finished by an earlier run" if known else "new"


def _results_elsewhere(results: Path, name: str) -> dict[str, str]:
    """Trial key -> the other sweep of this results folder that has its result.

    What was pruned there may do well among the trials of this sweep.
    """
    return {
        key: sweep.name
        for sweep, history in readable(results, read_history)
        for key, record in history.records.items()
        if sweep.name != name and record.state.is_result and record.state is not State.PRUNED
    }
