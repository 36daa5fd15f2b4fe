"""The study that is handed out, read back with Optuna itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest

from sweeper.errors import SweeperError, UsageError
from sweeper.ledger.history import History
from sweeper.ledger.ledger import Ledger
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.tables import optuna_study
from sweeper.trial import Reported, Started, State, Trial
from tests.execution import runs
from tests.records import make_end, make_trial

SWEEP = """\
name: toy
trainer: quadratic:train
metric: {name: loss, goal: minimize}
constraints: ["gap < 2"]
method: random
budget: {trials: 100}
seeds: 2
parameters: {x: {min: 0.5, max: 5.0, log: true}, kind: {values: [1, true, [2, 3]]}, n: {min: 1, max: 9, when: x > 1}}
"""
TWO = "[{name: loss, goal: minimize}, {name: gap, goal: maximize}]"


def seeds(**varied: object) -> list[Trial]:
    return [make_trial(seed, **varied) for seed in (0, 1)]


def write_down(results: Path, text: str, *ends: tuple[Trial, State, dict[str, float]]) -> None:
    """A ledger in which these trials reported 2 * loss and then loss, and ended so."""
    with Ledger(SweepDir(results, "toy")) as book:
        book.run(text, {}, [trial for trial, _, _ in ends], History())
        for trial, state, metrics in ends:
            if state is State.PENDING:
                continue
            book.record(Started(trial.key, 1, 1000.0, "cpu", "here"))
            if "loss" in metrics:
                for step, factor in ((1, 2), (2, 1)):
                    book.record(Reported(trial.key, 1, 1001.0, step, {"loss": factor * metrics["loss"]}))
            if state is not State.RUNNING:
                book.record(make_end(trial, state, **metrics))
        book.stop(0, "")


def opened(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="toy", storage=f"sqlite:///{path}")


def lives() -> list[tuple[Trial, State, dict[str, float]]]:
    done, half, pruned, gone, new = (
        seeds(x=2.0, kind=True, n=3),
        seeds(x=0.75, kind=1),
        seeds(x=7.5, kind=[2, 3]),
        seeds(x=1.0, kind=1),
        seeds(x=0.5, kind=True),
    )
    good, poor = {"loss": 1.0, "gap": 1.0}, {"loss": 3.0, "gap": 4.0}
    return [
        *zip(done, [State.COMPLETED] * 2, [good, poor], strict=True),
        *zip(half, [State.COMPLETED, State.PENDING], [good, {}], strict=True),
        *zip(pruned, [State.PRUNED] * 2, [good, poor], strict=True),
        *zip(gone, [State.DIVERGED, State.FAILED], [{}, {}], strict=True),
        *zip(new, [State.PENDING] * 2, [{}, {}], strict=True),
    ]


def test_one_trial_is_one_configuration_with_the_mean_of_its_seeds(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP, *lives())
    assert optuna_study.write(tmp_path, "toy", tmp_path / "study.db") == 5
    done, half, pruned, gone, new = opened(tmp_path / "study.db").trials
    assert [t.state.name for t in (done, half, pruned, gone, new)] == [
        "COMPLETE", "RUNNING", "PRUNED", "FAIL", "WAITING",
    ]  # fmt: skip
    assert (done.value, done.intermediate_values) == (2.0, {1: 4.0, 2: 2.0})
    assert (pruned.value, pruned.last_step) == (None, 2)
    assert done.params == {"x": 2.0, "kind": "true", "n": 3}
    assert pruned.params["kind"] == "[2, 3]"
    assert done.user_attrs["gap"] == 2.5
    assert done.user_attrs["sweeper.trials"] == [trial.key for trial in seeds(x=2.0, kind=True, n=3)]
    assert done.user_attrs["sweeper.seeds"] == [0, 1]
    assert done.constraints == {"gap < 2": 0.5}
    assert done.duration is not None
    assert done.duration.total_seconds() == 2


def test_values_from_before_a_range_was_changed_have_their_place(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP, *lives())
    optuna_study.write(tmp_path, "toy", tmp_path / "study.db")
    distribution = opened(tmp_path / "study.db").trials[0].distributions["x"]
    assert distribution == optuna.distributions.FloatDistribution(0.5, 7.5, log=True)


def test_several_goals_make_a_study_of_several_objectives(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP.replace("{name: loss, goal: minimize}", TWO), *lives())
    optuna_study.write(tmp_path, "toy", tmp_path / "study.db")
    made = opened(tmp_path / "study.db")
    assert made.metric_names == ["loss", "gap"]
    assert [direction.name for direction in made.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert made.trials[0].values == [2.0, 2.5]


def test_optunas_own_plots_open_it(folder: Path) -> None:
    text = SWEEP.replace("trials: 100", "trials: 12").replace("gap < 2", "loss < 2").replace("kind:", "target:")
    (folder / "toy.yaml").write_text(text.replace("[1, true, [2, 3]]", "[0, 2]").replace("n: {", "steps: {"))
    runs.train(folder / "toy.yaml")
    optuna_study.write(folder / "results", "toy", folder / "study.db")
    made = opened(folder / "study.db")
    plots = optuna.visualization
    assert len(plots.plot_optimization_history(made).data[0].x) == len(made.trials) == 6
    assert len(plots.plot_intermediate_values(made).data) >= 6
    assert plots.plot_parallel_coordinate(made).data
    assert plots.plot_slice(made).data


def test_a_search_goes_on_in_the_study_that_was_handed_out(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP, *lives()[:2])
    optuna_study.write(tmp_path, "toy", tmp_path / "study.db")
    made = opened(tmp_path / "study.db")
    made.optimize(lambda trial: trial.suggest_float("x", 0.5, 5, log=True), n_trials=2)
    assert len(made.trials) == 3


def test_an_earlier_study_of_the_sweep_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP, *lives()[:2])
    path = tmp_path / "study.db"
    optuna_study.write(tmp_path, "toy", path)
    write_down(tmp_path, SWEEP, *lives())
    assert optuna_study.write(tmp_path, "toy", path) == 5
    assert len(opened(path).trials) == 5
    optuna.create_study(study_name="other", storage=f"sqlite:///{path}")
    with pytest.raises(UsageError, match="no study of this sweep"):
        optuna_study.write(tmp_path, "toy", path)
    assert len(opened(path).trials) == 5


@pytest.mark.parametrize("kind", ["text", "empty", "database", "foreign study", "folder"])
def test_other_files_are_refused_and_stay_as_they_are(tmp_path: Path, kind: str) -> None:
    write_down(tmp_path, SWEEP, *lives()[:2])
    path = tmp_path / "study.db"
    if kind in ("text", "empty"):
        path.write_text("my thesis" if kind == "text" else "")
    elif kind == "database":
        with sqlite3.connect(path) as database:
            database.execute("create table studies (study_id int)")
    elif kind == "foreign study":
        optuna.create_study(study_name="toy", storage=f"sqlite:///{path}")
    else:
        path.mkdir()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(UsageError, match="no study of this sweep"):
        optuna_study.write(tmp_path, "toy", path)
    assert path.is_dir() or path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_said_and_left_clean(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP, *lives()[:2])
    with pytest.raises(SweeperError, match="cannot be written"):
        optuna_study.write(tmp_path, "toy", tmp_path / "no" / "study.db")
    optuna_study.write(tmp_path, "toy", tmp_path / "study.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.db", "toy"]


def test_a_sweep_without_a_goal_has_no_study(tmp_path: Path) -> None:
    write_down(tmp_path, SWEEP.replace("metric: {name: loss, goal: minimize}\n", ""), *lives()[:2])
    with pytest.raises(UsageError, match="needs a goal"):
        optuna_study.write(tmp_path, "toy", tmp_path / "study.db")
