from __future__ import annotations

import io
from pathlib import Path

import pytest
from records import make_end
from rich.console import Console

from sweeper import plan, spec, trainer
from sweeper.closing import Commands, print_finished
from sweeper.errors import Exit
from sweeper.mirrored import Mirrored
from sweeper.run import Finished, finished_json
from sweeper.trial import Record, State

COMMANDS = Commands(Path("my sweep.yaml"), ["x=1,2"], Path("out"))


@pytest.fixture
def made(toy: Path) -> plan.Plan:
    return plan.make(spec.load(toy), trainer.find("quadratic:train"), Path("results"))


def finished(made: plan.Plan, *states: State, code: Exit = Exit.OK, why: str = "", behind: int = 0) -> Finished:
    records = [Record(item.trial) for item in made.items]
    for record, state in zip(records, states, strict=False):
        record.ended = make_end(record.trial, state, loss=0.5)
    return Finished(
        code, why, len(states), records, Mirrored(len(states) - behind, behind, "it is down" if behind else ""), 12.0
    )


def said(made: plan.Plan, end: Finished, width: int = 80) -> str:
    on = Console(file=io.StringIO(), width=width, highlight=False)
    print_finished(on, made, ["loss"], end, COMMANDS)
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_a_finished_run_says_what_came_out_and_what_to_type_next(made: plan.Plan) -> None:
    text = said(made, finished(made, *[State.COMPLETED] * 4))
    assert text.startswith("toy: 4 completed in 12 s")
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


def test_what_mlflow_lacks_is_said_with_the_command_that_completes_it(made: plan.Plan) -> None:
    text = said(made, finished(made, *[State.COMPLETED] * 4, behind=2))
    assert "MLflow lacks 2 trials: it is down" in text
    assert "sweeper sync toy --results out" in text


def test_the_same_as_json(made: plan.Plan) -> None:
    document = finished_json(made, Path("out"), finished(made, State.COMPLETED, State.FAILED, code=Exit.TRIALS_FAILED))
    assert (document["exit_code"], document["trained"]) == (4, 2)
    assert document["states"] == {"completed": 1, "failed": 1, "pending": 2}
