from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sweeper.cli.terminal.summary import finished_json, print_finished
from sweeper.errors import Exit
from sweeper.execution.run import RunOutcome
from sweeper.planning import plan
from sweeper.planning.planned_trial import Action
from sweeper.reporting.commands import Commands
from sweeper.spec.load import load_spec
from sweeper.spec.space.expressions import condition
from sweeper.spec.sweep import EarlyTermination, Goal
from sweeper.tracking.trial_run import Mirrored
from sweeper.trainer import trainer
from sweeper.trial import Record, State
from tests.records import make_end

COMMANDS = Commands(Path("my sweep.yaml"), ["x=1,2"], Path("out"))


@pytest.fixture
def made(toy: Path) -> plan.Plan:
    return plan.make(load_spec(toy), trainer.find("quadratic:train"), Path("results"))


def finished(made: plan.Plan, *states: State, code: Exit = Exit.OK, why: str = "", behind: int = 0) -> RunOutcome:
    records = [Record(item.trial) for item in made.items]
    for record, state in zip(records, states, strict=False):
        record.ended = make_end(record.trial, state, loss=0.5)
    return RunOutcome(
        code, why, len(states), records, Mirrored(len(states) - behind, behind, "it is down" if behind else ""), 12.0
    )


def said(made: plan.Plan, end: RunOutcome, width: int = 80, metrics: Sequence[str] = ("loss",)) -> str:
    on = Console(file=io.StringIO(), width=width, highlight=False)
    print_finished(on, made, metrics, end, COMMANDS)
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_a_finished_run_says_what_came_out_and_what_to_type_next(made: plan.Plan) -> None:
    text = said(made, finished(made, *[State.COMPLETED] * 4))
    assert text.startswith("toy: 4 completed in 12 s")
    assert (
        said(made, finished(made, *[State.COMPLETED] * 4), metrics=()) == text
    )  # what was reported, where none is named
    assert "sweeper export toy --results out" in text
    assert "continue with" not in text


def test_an_interrupted_run_ends_with_the_command_that_continues_unbroken(made: plan.Plan) -> None:
    end = finished(made, State.COMPLETED, code=Exit.INTERRUPTED, why="interrupted")
    text = said(made, end, width=20)
    assert text.splitlines()[-1] == "continue with: sweeper run 'my sweep.yaml' x=1,2 --results out"


def test_failures_are_shown_with_their_logs_and_how_to_try_again(made: plan.Plan) -> None:
    text = said(made, finished(made, State.FAILED, State.DIVERGED, code=Exit.TRIALS_FAILED))
    assert f"out/toy/trials/{made.items[0].trial.key}/log.txt" in text.replace("\n", "")
    assert text.splitlines()[-1].endswith("--rerun failed")


def test_results_of_older_code_are_named_and_how_to_train_them_again(made: plan.Plan) -> None:
    end = replace(finished(made, *[State.COMPLETED] * 4), trained=0)
    assert "older code" not in said(made, end)
    stale = tuple(replace(item, action=Action.STALE) for item in made.items)
    text = said(replace(made, items=(*stale[:3], *made.items[3:])), end)
    assert text.startswith("toy: nothing to train, 3 stale; 4 completed")
    assert "3 of 4 results are of older code or data, and were not trained again" in text
    assert text.splitlines()[-1].endswith("--rerun stale")
    assert "all 4 results are of older code" in said(replace(made, items=stale), end)
    assert finished_json(replace(made, items=stale), Path("out"), end)["stale"] == 4


def test_what_mlflow_lacks_is_said_with_the_command_that_completes_it(made: plan.Plan) -> None:
    text = said(made, finished(made, *[State.COMPLETED] * 4, behind=2))
    assert "MLflow lacks 2 trials: it is down" in text
    assert "sweeper sync toy --results out" in text


def test_what_early_termination_saved_is_said(made: plan.Plan) -> None:
    end = finished(made, State.PRUNED, State.COMPLETED)
    for record in end.records:
        record.trial = replace(record.trial, base={"train.steps": 50})
    stops = replace(made, sweep=replace(made.sweep, early=EarlyTermination("asha")))
    assert "early termination saved about 8.0 s of training" in said(stops, end)


def test_the_best_configuration_is_named(made: plan.Plan) -> None:
    end = finished(made, *[State.COMPLETED] * 4)
    for loss, record in zip((3, 1, 2, 0), end.records, strict=True):
        record.ended = make_end(record.trial, loss=float(loss), gap=float(loss > 0))
    assert "best:\n  x=4  (loss 0)\n" in said(made, end)
    kept = replace(made, sweep=replace(made.sweep, constraints=(condition("gap > 0.5"),)))
    assert "best, with gap > 0.5:\n  x=2  (loss 1)\n" in said(kept, end)
    impossible = replace(made, sweep=replace(made.sweep, constraints=(condition("gap > 5"),)))
    assert "no configuration keeps gap > 5" in said(impossible, end)


def test_the_pareto_front_of_several_goals_is_named(made: plan.Plan) -> None:
    end = finished(made, *[State.COMPLETED] * 4)
    for (loss, gain), record in zip([(1, 1), (2, 2), (2, 1), (3, 3)], end.records, strict=True):
        record.ended = make_end(record.trial, loss=float(loss), gain=float(gain))
    goals = (Goal("loss", False, "worst"), Goal("gain", True, "worst"))
    text = said(replace(made, sweep=replace(made.sweep, goals=goals)), end)
    assert "Pareto front, 3 of 4:\n  x=1  (loss 1, gain 1)\n  x=2  (loss 2, gain 2)\n  x=4" in text


def test_the_same_as_json(made: plan.Plan) -> None:
    document = finished_json(made, Path("out"), finished(made, State.COMPLETED, State.FAILED, code=Exit.TRIALS_FAILED))
    assert (document["exit_code"], document["trained"]) == (4, 2)
    assert document["states"] == {"completed": 1, "failed": 1, "pending": 2}
