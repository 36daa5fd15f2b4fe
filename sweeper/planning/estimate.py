"""What the trials to run would cost: seconds, device-hours and disk space."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweeper.devices import cpus_here
from sweeper.ledger.history import History
from sweeper.ledger.paths import SweepDir
from sweeper.planning.planned_trial import Action, PlannedTrial
from sweeper.spec.sweep import Sweep
from sweeper.trial import Ended, State, Trial


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What the trials to run would cost; None where there is nothing to estimate from (`reason`).

    `trial_s` are the device seconds of one trial of the sweep, on average, whether any is to run or not.
    """

    seconds: float | None
    device_hours: float | None
    disk_bytes: int | None
    reason: str
    trial_s: float | None = None


def estimate_cost(
    items: tuple[PlannedTrial, ...], own: History, sweep: Sweep, folder: SweepDir, *, complete: bool
) -> CostEstimate:
    """What training the items costs; unknown for an open search, which is not `complete`."""
    known = [r for r in own.records.values() if r.ended and r.state is State.COMPLETED and not r.ended.origin]
    to_run = [item.trial for item in items if item.action is Action.RUN]
    if not complete:
        return CostEstimate(None, None, None, "the search adds trials as results come in")
    if not known:
        unknown = CostEstimate(None, None, None, "no trial of this sweep has finished yet")
        return unknown if to_run else CostEstimate(0.0, 0.0, 0, "nothing to run")
    ends = [record.ended for record in known if record.ended]
    at_once = sweep.resources.max_concurrent or max(1, int(cpus_here() // max(sweep.resources.cpu, 0.01)))
    # Members of a pack share their seconds: what ran at the same time, beyond one trial per device, cost nothing more.
    wall_s, made = sum(ended.wall_s for ended in ends), sum(ended.steps for ended in ends)
    each_s, step_s = wall_s / len(ends), wall_s / made if made else 0.0
    shared = max(1.0, _beside_each_other(ends) / at_once)
    device_s = sum(_seconds(trial, each_s, step_s) for trial in to_run) / shared
    trial_s = sum(_seconds(item.trial, each_s, step_s) for item in items) / shared / max(1, len(items))
    if not to_run:
        return CostEstimate(0.0, 0.0, 0, "nothing to run", trial_s)
    written = sum(path.stat().st_size for path in (folder.ledger, folder.curves) if path.exists())
    disk = round(written / len(known) * len(to_run))
    seconds, reason = device_s / min(at_once, len(to_run)), f"from {len(known)} finished trials"
    return CostEstimate(seconds, device_s / 3600, disk, reason, trial_s)


def _beside_each_other(ends: list[Ended]) -> float:
    """How many trials were trained at the same time, on average over the time when any was."""
    busy_s, until = 0.0, -math.inf
    for began, end in sorted((ended.at - ended.wall_s, ended.at) for ended in ends):
        busy_s += max(0.0, end - max(began, until))
        until = max(until, end)
    return sum(ended.wall_s for ended in ends) / busy_s if busy_s > 0 else 1.0


def _seconds(trial: Trial, each_s: float, step_s: float) -> float:
    """Seconds a trial would take: per step where its number of steps is known, else per trial."""
    steps = trial.params.get("train.steps")
    return step_s * steps if isinstance(steps, int | float) and step_s else each_s
