"""Trials that report NaN, inf, a text, nothing, another metric, or not always: each ends, and the sweep goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.execution.runner import run_in_process
from sweeper.trial import State
from tests.execution import runs

SWEEP = """\
name: odd
trainer: odd:train
metric: {name: loss, goal: minimize}
method: %s
seeds: 2
sampler: {seed: 3}
parameters: {x: {min: 0.0, max: 0.999}, y: {min: 0.0, max: 1.0}}
budget: {trials: 40}
retry: {max: 0}
abort: {consecutive_failures: null}
early_terminate: {%s}
"""
RESULTS = {State.COMPLETED, State.PRUNED}
ENDS = {
    "good": RESULTS,
    "gaps": RESULTS,
    "late": RESULTS,
    "nan": {State.DIVERGED, State.PRUNED},
    "inf": {State.DIVERGED, State.PRUNED},
    "text": {State.FAILED, State.PRUNED},
    "nothing": {State.FAILED},
    "another": {State.FAILED},
}


@pytest.mark.parametrize("method", ["random", "qmc", "tpe", "cmaes", "nsga2", "gp"])
@pytest.mark.parametrize(
    "early",
    [
        "type: none",
        "type: asha, min_steps: 2, eta: 2, max_steps: 6",
        "type: median, startup_trials: 2, max_steps: 6",
        "type: patience, patience: 1, min_delta: 0.4, max_steps: 6",
    ],
)
def test_every_trial_ends_and_the_sweep_goes_on(folder: Path, method: str, early: str) -> None:
    from odd import deed  # beside the trainers, which conftest puts on the path

    (folder / "odd.yaml").write_text(SWEEP % (method, early))
    with runs.opened(folder / "odd.yaml") as (session, _):
        run_in_process(session)
    records = list(session.records.values())
    assert len(records) == 40
    for record in records:
        kind = deed(record.trial.params["x"])
        assert record.state in ENDS[kind], (kind, record.ended)
        assert record.ended is not None
        assert (record.ended.reason == "") is (record.state is State.COMPLETED)
        if record.state is State.PRUNED:
            assert record.ended.reason.startswith(early.removeprefix("type: ").split(",")[0])
            assert record.ended.steps < 6
    if method == "qmc":  # the searchers stay away from what is odd
        assert any(record.state is State.PRUNED for record in records) is ("none" not in early)
        assert {deed(record.trial.params["x"]) for record in records} == set(ENDS)
    if session.queue.proposals is not None:
        states = {trial.state.name for trial in session.queue.proposals.search._study.trials}
        assert "RUNNING" not in states
