"""The mirror against real MLflow, in a SQLite store. Over HTTP: tests/test_outages.py."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.tracking.database import connect, make_database, mend_places
from sweeper.tracking.experiment import Data, Experiment
from sweeper.tracking.limits import run_name, will_last
from sweeper.tracking.mirror import Mirror, artifact_root, store_uri
from sweeper.tracking.trial_run import Mirrored
from sweeper.trial import Record, Reported, State, Trial
from tests.tracking.servers import T0, Attached, Sweep, a_life, a_trial, cut_short, push, until


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: MLflow takes seconds to migrate one."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    make_database(path)
    return path


@pytest.fixture
def sweep(template: Path, tmp_path: Path) -> Sweep:
    shutil.copy(template, tmp_path / "mlflow.db")
    return Sweep(tmp_path)


def test_a_store_that_a_killed_process_did_not_finish_is_removed(template: Path) -> None:
    old, new = (template.with_name(f".mlflow.db.{number}.1") for number in (1, 2))
    for path in (old, new):
        path.touch()
    os.utime(old, (1, 1))
    make_database(template)
    assert (old.exists(), new.exists()) == (False, True)


# --- what MLflow shows ------------------------------------------------------------------------------------------------


def test_a_completed_trial_is_a_finished_run_with_parameters_and_final_metrics(sweep: Sweep) -> None:
    assert sweep.run(a_life(7)) == Mirrored(runs=1, behind=0, error="")
    (run,) = sweep.runs
    assert run.info.status == "FINISHED"
    assert run.info.run_name.endswith(" beta=0 name=adam seed=7")
    assert (run.info.start_time, run.info.end_time) == (1000 * (T0 + 100), 1000 * (T0 + 104))
    assert run.data.params == {"loss.beta": "0", "optim.name": "adam", "train.steps": "2000", "seed": "7"}
    assert run.data.metrics == pytest.approx({"loss": 1 / 3, "accuracy": 0.2, "alignment": 0.9})


def test_a_run_carries_what_finds_it_again(sweep: Sweep) -> None:
    sweep.input = replace(sweep.input, spec=Path("grid.yaml"))
    sweep.run(a_life(7, State.PRUNED))
    tags = sweep.runs[0].data.tags
    assert tags["sweeper.trial"] == a_trial(7).key
    assert tags["sweeper.config"] == a_trial(7).config
    assert (tags["sweeper.sweep"], tags["sweeper.code"], tags["sweeper.device"]) == ("grid", "d" * 16, "cpu")
    assert (tags["sweeper.attempt"], tags["sweeper.state"], tags["sweeper.reason"]) == ("1", "pruned", "it pruned")
    assert tags["mlflow.source.git.commit"] == "c0ffee"
    assert "sweeper train grid.yaml loss.beta=0 'optim.name=\"adam\"' 'seeds=[7]'" in tags["mlflow.note.content"]


def test_the_experiment_is_named_described_and_keeps_artifacts_in_the_results_folder(sweep: Sweep) -> None:
    sweep.run(a_life(7))
    experiment = sweep.client.get_experiment_by_name("grid")
    assert experiment.tags["mlflow.note.content"].startswith(
        "beta against JSD · [trials, the best first](#/experiments/"
    )
    assert experiment.artifact_location == f"{artifact_root(sweep.folder)}/grid"


def test_a_description_follows_the_file_until_a_person_writes_one_in_the_ui(sweep: Sweep) -> None:
    sweep.run(a_life(7))
    sweep.input = replace(sweep.input, description="beta against MKL")
    sweep.run(known=(a_life(7),))
    found = sweep.client.get_experiment_by_name("grid")
    assert found.tags["mlflow.note.content"].startswith("beta against MKL ")
    sweep.client.set_experiment_tag(found.experiment_id, "mlflow.note.content", "my own words")
    sweep.input = replace(sweep.input, description="beta against JSD again")
    sweep.run(known=(a_life(7),))
    assert sweep.client.get_experiment_by_name("grid").tags["mlflow.note.content"] == "my own words"


def test_curves_have_one_point_a_report_and_the_final_value_only_where_it_differs(sweep: Sweep) -> None:
    sweep.run(a_life(7))
    (run,) = sweep.runs
    assert sweep.curve(run, "loss") == [(0, 1.0), (10, 0.5), (20, pytest.approx(1 / 3))]
    assert sweep.curve(run, "alignment") == [(20, 0.9)]


def test_each_state_has_its_status(sweep: Sweep) -> None:
    states = (State.COMPLETED, State.PRUNED, State.DIVERGED, State.FAILED)
    sweep.run(*(a_life(seed, state) for seed, state in enumerate(states)))
    assert sweep.statuses == {"0": "FINISHED", "1": "KILLED", "2": "FAILED", "3": "FAILED"}


def test_metrics_that_are_not_finite_or_oddly_named_are_shown(sweep: Sweep) -> None:
    life, nan, inf = a_life(7, State.DIVERGED, reports=0), float("nan"), float("inf")
    odd = {"loss": nan, "kl": inf, "acc@5": 1.0, "../up//x": 2.0, "": 3.0}
    life.reports.append(Reported(life.trial.key, 1, T0 + 101, 0, odd))
    assert sweep.run(life) == Mirrored(1, 0, "")
    metrics = sweep.runs[0].data.metrics
    assert str(metrics["loss"]) == "nan"
    assert metrics["kl"] > 1e300
    assert (metrics["acc_5"], metrics["up/x"], metrics["_"]) == (1.0, 2.0, 3.0)


def test_more_metrics_parameters_and_points_than_one_call_takes_all_arrive(sweep: Sweep) -> None:
    life = a_life(7, reports=700)
    many = {f"p.{i}": i for i in range(130)}
    life.trial = Trial(life.trial.key, "c", 7, {"text": "x" * 9000}, many, "cvae", "d")
    sweep.run(life)
    (run,) = sweep.runs
    assert len(run.data.params) == 132
    assert len(sweep.curve(run, "loss")) == len(sweep.curve(run, "accuracy")) == 700


def test_a_running_trial_is_seen_while_it_runs(sweep: Sweep) -> None:
    mirror, life = sweep.start(), a_life(7)
    push(mirror, cut_short(life))
    until(lambda: [len(sweep.curve(run, "loss")) for run in sweep.runs] == [3])
    assert sweep.statuses == {"7": "RUNNING"}
    push(mirror, life)  # its end, and every earlier event a second time
    assert mirror.close(60) == Mirrored(1, 0, "")
    assert sweep.statuses == {"7": "FINISHED"}
    assert len(sweep.curve(sweep.runs[0], "loss")) == 3


def test_a_trial_that_is_tried_again_replaces_its_run(sweep: Sweep) -> None:
    sweep.run(a_life(7, State.FAILED), a_life(7, attempt=2))
    (run,) = sweep.runs
    assert (run.info.status, run.data.tags["sweeper.attempt"]) == ("FINISHED", "2")
    assert len(sweep.curve(run, "loss")) == 3


# --- starting again ---------------------------------------------------------------------------------------------------


def test_a_second_start_writes_nothing(sweep: Sweep) -> None:
    lives = [a_life(seed) for seed in range(5)]
    sweep.run(*lives)
    before = (sweep.folder / "mlflow.db").read_bytes()
    assert sweep.run(known=tuple(lives)) == Mirrored(5, 0, "")
    assert (sweep.folder / "mlflow.db").read_bytes() == before


def test_a_result_left_running_by_a_kill_is_completed(sweep: Sweep) -> None:
    sweep.run(cut_short(a_life(7)))
    sweep.client.update_run(sweep.runs[0].info.run_id, "RUNNING")  # as if killed before its end was written
    (before,) = sweep.runs
    assert sweep.run(known=(a_life(7),)) == Mirrored(1, 0, "")
    (after,) = sweep.runs
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FINISHED")
    assert len(sweep.curve(after, "loss")) == 3
    assert after.data.tags["sweeper.state"] == "completed"


def test_a_result_that_mlflow_never_saw_is_written_at_start(sweep: Sweep) -> None:
    sweep.run(a_life(1))
    assert sweep.run(known=(a_life(1), a_life(2))) == Mirrored(2, 0, "")
    assert sweep.statuses == {"1": "FINISHED", "2": "FINISHED"}


def test_an_attempt_that_died_with_its_driver_leaves_one_run_behind_it(sweep: Sweep) -> None:
    sweep.run(cut_short(a_life(7)))
    sweep.client.update_run(sweep.runs[0].info.run_id, "RUNNING")
    died = cut_short(a_life(7))
    mirror = sweep.start(died)
    until(lambda: sweep.runs == [])
    push(mirror, a_life(7, attempt=2))
    assert mirror.close(60) == Mirrored(1, 0, "")
    assert sweep.statuses == {"7": "FINISHED"}


def test_a_running_run_of_a_trial_nobody_knows_is_removed_and_a_result_kept(sweep: Sweep) -> None:
    sweep.run(a_life(1), a_life(2))
    orphan = next(run for run in sweep.runs if run.data.params["seed"] == "1")
    sweep.client.update_run(orphan.info.run_id, "RUNNING")
    sweep.run()
    assert sweep.statuses == {"2": "FINISHED"}


def test_two_runs_of_one_trial_become_one(sweep: Sweep) -> None:
    sweep.run(a_life(7))
    (run,) = sweep.runs
    sweep.client.delete_run(run.info.run_id)
    sweep.sync(a_life(7))
    sweep.client.restore_run(run.info.run_id)
    assert len(sweep.runs) == 2
    assert sweep.sync(a_life(7)) == Mirrored(1, 0, "")
    assert len(sweep.runs) == 1


def test_a_trial_left_unfinished_at_the_end_is_shown_as_killed(sweep: Sweep) -> None:
    assert sweep.run(cut_short(a_life(7)), a_life(8)) == Mirrored(2, 0, "")
    assert sweep.statuses == {"7": "KILLED", "8": "FINISHED"}
    assert {run.data.tags["sweeper.state"] for run in sweep.runs} == {"interrupted", "completed"}


def test_runs_added_by_hand_are_left_alone(sweep: Sweep) -> None:
    sweep.run(a_life(7))
    sweep.client.create_run(sweep.runs[0].info.experiment_id, run_name="my own")
    sweep.run(known=(a_life(7),))
    assert {run.info.run_name for run in sweep.runs} == {"my own", run_name(a_trial(7).name, a_trial(7).key)}


def test_a_deleted_experiment_comes_back_with_one_run_a_trial(sweep: Sweep) -> None:
    sweep.run(a_life(7, State.FAILED), a_life(7, attempt=2))
    sweep.client.delete_experiment(sweep.runs[0].info.experiment_id)
    assert sweep.sync(a_life(7, attempt=2)) == Mirrored(1, 0, "")
    assert sweep.statuses == {"7": "FINISHED"}


# --- sync -------------------------------------------------------------------------------------------------------------


def test_sync_fills_an_empty_store_once(sweep: Sweep) -> None:
    lives = [a_life(seed) for seed in range(4)]
    assert sweep.sync(*lives) == sweep.sync(*lives) == Mirrored(4, 0, "")
    assert sweep.statuses == dict.fromkeys("0123", "FINISHED")


def test_sync_makes_a_store_that_is_not_there(tmp_path: Path) -> None:
    fresh = Sweep(tmp_path / "results with a space")
    assert fresh.sync(a_life(7)) == Mirrored(1, 0, "")
    assert [path.name for path in fresh.folder.iterdir()] == ["mlflow.db"]


def test_sync_gives_no_run_to_what_has_not_ended(sweep: Sweep) -> None:
    assert sweep.sync(Record(a_trial(1)), cut_short(a_life(2))) == Mirrored(0, 0, "")
    assert sweep.runs == []


def test_a_trial_that_mlflow_refuses_holds_up_no_other(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = a_life(0)
    bad.reports[0].metrics["loss"] = "not a number"  # type: ignore[index]
    mirrored = sweep.sync(bad, *(a_life(seed) for seed in (1, 2, 3)))
    assert (mirrored.runs, mirrored.behind, mirrored.overviews) == (3, 1, 0)
    assert "not a number" in mirrored.error
    assert (len(sweep.kind("config")), len(sweep.kind("summary"))) == (1, 1)


# --- outages ----------------------------------------------------------------------------------------------------------


def test_a_store_deleted_in_mid_sweep_is_rebuilt(sweep: Sweep) -> None:
    mirror = sweep.start()
    push(mirror, a_life(1))
    until(lambda: sweep.statuses == {"1": "FINISHED"})
    (sweep.folder / "mlflow.db").unlink()
    push(mirror, a_life(2))
    assert mirror.close(60) == Mirrored(2, 0, "")
    assert sweep.statuses == {"1": "FINISHED", "2": "FINISHED"}


def test_a_locked_store_delays_the_mirror_and_not_the_driver(sweep: Sweep) -> None:
    mirror = sweep.start()
    lock = sqlite3.connect(sweep.folder / "mlflow.db")
    lock.execute("BEGIN EXCLUSIVE")
    push(mirror, a_life(7))
    late = mirror.close(1)  # while the lock is held: the driver does not wait for it
    assert (late.runs, late.behind, bool(late.error)) == (0, 1, True)
    lock.rollback()
    lock.close()
    assert sweep.sync(a_life(7)) == Mirrored(1, 0, "")


def test_a_file_that_is_no_database_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").write_text("a shopping list, longer than a header of SQLite is " * 4)
    mirrored = Sweep(tmp_path).sync(a_life(7))
    assert mirrored == Mirrored(0, 1, "file is not a database", 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("0a1b2c3d4e5f", "was made by a newer MLflow than MLflow {}, which is installed here (it lacks schema 0a1"),
        ("older", "is older than MLflow {}, which is installed here: back it up, then `mlflow db upgrade sqlite:"),
    ],
)
def test_a_store_of_another_mlflow_is_said_to_be_newer_or_older(
    revision: str, words: str, sweep: Sweep, capfd: pytest.CaptureFixture[str]
) -> None:
    import mlflow
    from alembic.script import ScriptDirectory

    migrations = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    before_last = list(migrations.walk_revisions())[1].revision
    with sqlite3.connect(sweep.folder / "mlflow.db") as database:
        found = before_last if revision == "older" else revision
        database.execute("UPDATE alembic_version SET version_num = ?", (found,))
    database.close()
    mirrored = sweep.sync(a_life(7))
    assert mirrored.behind == 1
    assert words.format(mlflow.__version__) in mirrored.error
    assert will_last(mirrored.error)
    assert capfd.readouterr() == ("", "")


def test_a_store_so_new_that_its_tables_differ_is_newer_too(sweep: Sweep) -> None:
    with sqlite3.connect(sweep.folder / "mlflow.db") as database:
        database.execute("DROP TABLE latest_metrics")
        database.execute("UPDATE alembic_version SET version_num = '0a1b2c3d4e5f'")
    database.close()
    assert "made by a newer MLflow" in sweep.sync(a_life(7)).error


@pytest.mark.parametrize("uri", ["nonsense://somewhere", "http://127.0.0.1:9", "/a/folder"])
def test_a_wrong_address_is_an_error_in_one_line(uri: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mirrored = Sweep(tmp_path, uri).sync(a_life(7))
    assert (mirrored.runs, mirrored.behind) == (0, 1)
    assert mirrored.error
    assert "\n" not in mirrored.error
    assert capfd.readouterr() == ("", "")


def test_two_mirrors_that_make_the_store_at_once_make_one(tmp_path: Path) -> None:
    uri, artifacts = store_uri(tmp_path), artifact_root(tmp_path)
    mirrors = [Mirror(uri, artifacts, Experiment(name, "")) for name in ("one", "two")]
    for mirror in mirrors:
        mirror.start([])
        push(mirror, a_life(7))
    assert [mirror.close(120).behind for mirror in mirrors] == [0, 0]
    assert {e.name for e in connect(store_uri(tmp_path)).search_experiments()} == {"Default", "one", "two"}


# --- configurations and the sweep -------------------------------------------------------------------------------------


def three_seeds(*alignments: float, beta: int = 1) -> list[Record]:
    return [a_life(seed, beta=beta, alignment=value) for seed, value in enumerate(alignments)]


def test_seeds_are_nested_in_a_run_of_their_configuration_with_mean_spread_and_n(sweep: Sweep) -> None:
    assert sweep.run(*three_seeds(0.7, 0.8, 0.9)) == Mirrored(3, 0, "")
    (parent,) = sweep.kind("config")
    assert {run.data.tags["mlflow.parentRunId"] for run in sweep.runs} == {parent.info.run_id}
    figures = {name.removeprefix("alignment."): value for name, value in parent.data.metrics.items() if "align" in name}
    assert figures == pytest.approx({"mean": 0.8, "std": 0.1, "n": 3, "ci_low": 0.5516, "ci_high": 1}, abs=1e-4)
    assert parent.data.params == {"loss.beta": "1", "optim.name": "adam", "train.steps": "2000"}
    assert (parent.info.run_name, parent.info.status) == ("beta=1 name=adam", "FINISHED")


def test_a_single_seed_needs_no_run_of_its_configuration(sweep: Sweep) -> None:
    sweep.run(a_life(0, beta=1), a_life(0, beta=2))
    assert sweep.kind("config") == []
    assert len(sweep.kind("trial")) == 2


def test_another_seed_moves_the_first_below_the_configuration_and_a_third_moves_the_mean(sweep: Sweep) -> None:
    lives = three_seeds(0.7, 0.8, 0.9)
    sweep.run(lives[0])
    sweep.run(lives[1], known=(lives[0],))
    (before,) = sweep.kind("config")
    assert sweep.run(lives[2], known=(lives[0], lives[1])) == Mirrored(3, 0, "")
    (after,) = sweep.kind("config")
    assert after.info.run_id == before.info.run_id
    assert before.data.metrics["alignment.mean"] == pytest.approx(0.75)
    assert (after.data.metrics["alignment.mean"], after.data.metrics["alignment.n"]) == (pytest.approx(0.8), 3)
    assert {run.data.tags["mlflow.parentRunId"] for run in sweep.runs} == {after.info.run_id}


def test_only_completed_seeds_count_and_the_run_says_how_many_there_were(sweep: Sweep) -> None:
    sweep.run(a_life(0, beta=1, alignment=0.6), a_life(1, State.FAILED, beta=1), a_life(2, State.DIVERGED, beta=1))
    (parent,) = sweep.kind("config")
    assert (parent.data.metrics["alignment.mean"], parent.data.metrics["alignment.n"]) == (0.6, 1)
    assert "alignment.std" not in parent.data.metrics
    assert parent.data.tags["sweeper.state"] == "1 completed, 1 diverged, 1 failed"
    assert "1 of 3 seeds" in parent.data.tags["mlflow.note.content"]


def test_a_figure_that_no_longer_exists_is_not_shown(sweep: Sweep) -> None:
    lives = three_seeds(0.7, 0.8)
    sweep.run(*lives)
    sweep.sync(lives[0])
    (parent,) = sweep.kind("config")
    assert (parent.data.metrics["alignment.n"], "alignment.std" in parent.data.metrics) == (1, False)
    assert sweep.sync(*lives) == Mirrored(2, 0, "")
    assert {run.data.tags["mlflow.parentRunId"] for run in sweep.runs} == {sweep.kind("config")[0].info.run_id}


def test_a_killed_driver_leaves_no_second_configuration_and_none_that_runs_for_ever(sweep: Sweep) -> None:
    sweep.run(*three_seeds(0.7, 0.8))
    (parent,) = sweep.kind("config")
    sweep.client.update_run(parent.info.run_id, "RUNNING")  # as if killed before its end was written
    assert sweep.sync(*three_seeds(0.7, 0.8)) == Mirrored(2, 0, "")
    (after,) = sweep.kind("config")
    assert (after.info.run_id, after.info.status) == (parent.info.run_id, "FINISHED")


def test_the_summary_counts_names_the_best_and_carries_files(sweep: Sweep, tmp_path: Path) -> None:
    (report := tmp_path / "report.html").write_text("<p>all is well</p>")
    files: dict[str, str | Path] = {"tables/trials.csv": "trial\n1\n", "report.html": report}
    data = [Data("digits.csv", "d1ce", "local", "data/digits.csv")]
    sweep.input = replace(sweep.input, command="sweeper run grid.yaml", goals={"alignment": True}, data=data)
    sweep.attachments = Attached(files)
    sweep.run(*three_seeds(0.7, 0.8), a_life(0, State.FAILED, beta=2))
    (summary,) = sweep.kind("summary")
    counts = {name: summary.data.metrics[name] for name in ("trials", "configs", "completed", "failed")}
    assert counts == {"trials": 3, "configs": 2, "completed": 2, "failed": 1}
    assert summary.data.metrics["alignment.best"] == 0.75
    assert "sweeper run grid.yaml" in summary.data.tags["mlflow.note.content"]
    (kept,) = (tmp_path / "mlartifacts" / "grid").glob("*/artifacts")
    assert [given.dataset.name for given in summary.inputs.dataset_inputs] == ["digits.csv"]
    assert (kept / "tables/trials.csv").read_text() == "trial\n1\n"
    assert (kept / "report.html").read_text() == "<p>all is well</p>"


def test_a_file_that_changed_is_carried_anew_by_the_same_run(sweep: Sweep) -> None:
    sweep.attachments = Attached({"verdicts.md": "fail"})
    sweep.run(a_life(1))
    sweep.attachments = Attached({"verdicts.md": "pass"})
    assert sweep.sync(a_life(1)) == Mirrored(1, 0, "")
    assert len(sweep.kind("summary")) == 1
    (kept,) = (sweep.folder / "mlartifacts" / "grid").glob("*/artifacts/verdicts.md")
    assert kept.read_text() == "pass"


def test_files_that_cannot_be_read_cost_the_summary_alone(sweep: Sweep) -> None:
    sweep.attachments = Attached(PermissionError("report.html: permission denied"))
    mirrored = sweep.sync(*three_seeds(0.7, 0.8))
    assert mirrored == Mirrored(2, 0, "report.html: permission denied", 1)
    assert mirrored.missing() == "1 overview"


def test_a_run_shows_fewer_than_fifty_metrics_the_goals_among_them(sweep: Sweep) -> None:
    life = a_life(1)
    life.reports[-1].metrics.update({f"position/{t}": 0.1 for t in range(80)})  # type: ignore[attr-defined]
    sweep.input = replace(sweep.input, goals={"alignment": True})
    sweep.run(life)
    (run,) = sweep.runs
    assert len(run.data.metrics) == 49
    assert run.data.metrics["alignment"] == 0.9


def test_a_full_disk_costs_what_did_not_fit_and_sync_completes_it(template: Path, tmp_path: Path) -> None:
    (small := tmp_path / "small").mkdir()
    size_kb = template.stat().st_size // 1024 + 200
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", small], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        shutil.copy(template, small / "mlflow.db")
        full = Sweep(small)
        lives = [a_life(seed, reports=300) for seed in range(8)]
        mirrored = full.run(*lives)
        assert mirrored.behind
        assert "disk" in mirrored.error
        subprocess.run(["mount", "-o", "remount,size=32m", small], check=True)
        assert full.sync(*lives) == Mirrored(8, 0, "")
        assert full.statuses == dict.fromkeys("01234567", "FINISHED")
    finally:
        subprocess.run(["umount", "-l", small], check=True)


# --- a results folder that was moved ----------------------------------------------------------------------------------


def written(folder: Path, sweep: Sweep, text: str, trials: int) -> list[str]:
    """Write so many trials and a summary with this file attached; where the store keeps it then."""
    mirror = Mirror(store_uri(folder), artifact_root(folder), sweep.input)
    mirror.load([a_life(seed) for seed in range(trials)])
    mirror.finish(Attached({"note.txt": text}))
    assert mirror.write(last=True)
    return sorted(str(path.relative_to(folder)) for path in (folder / "mlartifacts").rglob("note.txt"))


@pytest.mark.parametrize("is_copied", [False, True], ids=["moved", "copied"])
def test_a_folder_that_was_moved_keeps_its_artifacts_beside_its_store(
    template: Path, tmp_path: Path, is_copied: bool
) -> None:
    from mlflow.tracking._tracking_service import utils as mlflow_utils

    old, new = tmp_path / "old place", tmp_path / "new"
    old.mkdir()
    shutil.copy(template, old / "mlflow.db")
    first = written(old, Sweep(old), "first", 1)
    mlflow_utils._artifact_repos_cache.clear()  # what another process would not remember
    shutil.copytree(old, new) if is_copied else old.rename(new)
    assert written(new, Sweep(new), "second", 2) == first
    assert (new / first[0]).read_text() == "second"
    assert (old / first[0]).read_text() == "first" if is_copied else not old.exists()
    client = connect(store_uri(new))
    (experiment,) = [one for one in client.search_experiments() if one.name != "Default"]
    assert experiment.artifact_location.startswith(artifact_root(new))
    for run in client.search_runs([experiment.experiment_id]):
        assert run.info.artifact_uri.startswith(artifact_root(new))


def test_an_experiment_whose_artifacts_are_where_it_says_is_left_alone(template: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "shared" / "mlartifacts" / "theirs"
    elsewhere.mkdir(parents=True)
    shutil.copy(template, tmp_path / "mlflow.db")
    client = connect(store_uri(tmp_path))
    client.create_experiment("theirs", elsewhere.as_uri())
    mend_places(tmp_path / "mlflow.db", artifact_root(tmp_path))
    assert client.get_experiment_by_name("theirs").artifact_location == elsewhere.as_uri()
