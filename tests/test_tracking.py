"""The mirror against real MLflow: a SQLite store, and a server that is killed and comes back."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sweeper.experiment import Experiment
from sweeper.mirrored import Mirrored
from sweeper.mlflow_store import connect, make_database
from sweeper.tracking import Mirror, artifact_root, store_uri, sync
from sweeper.trial import Ended, Event, Record, Reported, Started, State, Trial

# MLflow's own imports and calls warn about themselves and their dependencies; ours are errors still.
pytestmark = [
    pytest.mark.filterwarnings("ignore:::mlflow"),
    pytest.mark.filterwarnings("ignore:::pydantic"),
    pytest.mark.filterwarnings("ignore:::alembic"),
    pytest.mark.filterwarnings("ignore:::sqlalchemy"),
]

T0 = 1_700_000_000.0
COMMIT = {"mlflow.source.git.commit": "c0ffee"}


def a_trial(seed: int) -> Trial:
    key = f"{seed:016x}"
    return Trial(key, "c" * 16, seed, {"loss.beta": 0.5, "optim.name": "adam"}, {"train.steps": 2000}, "cvae", "d" * 16)


def a_life(seed: int, state: State = State.COMPLETED, attempt: int = 1, reports: int = 3) -> Record:
    """A trial from its start to its end, with `reports` points a metric."""
    trial, began = a_trial(seed), T0 + 100 * attempt
    record = Record(trial, attempt, Started(trial.key, attempt, began, "cpu", "here"))
    for step in range(reports):
        metrics = {"loss": 1.0 / (step + 1), "accuracy": 0.1 * step}
        record.reports.append(Reported(trial.key, attempt, began + step + 1, 10 * step, metrics))
    last = record.reports[-1] if reports else None
    final = {**(last.metrics if last else {}), "alignment": 0.9}
    end, steps = began + reports + 1, last.step if last else 0
    reason = "" if state is State.COMPLETED else f"it {state}"
    record.ended = Ended(trial.key, attempt, end, state, reason, final, steps, reports + 1.0, began, "cpu", "here")
    return record


def cut_short(record: Record) -> Record:
    """The record that a killed driver leaves: started, never ended."""
    return Record(record.trial, record.attempt, record.started, None, record.reports)


def events(record: Record) -> list[Event]:
    return [event for event in (record.started, *record.reports, record.ended) if event is not None]


class Sweep:
    """A results folder with an MLflow store, and what a driver does with it."""

    def __init__(self, folder: Path, uri: str = "") -> None:
        self.folder, self.uri = folder, uri or store_uri(folder)
        self.told = Experiment(folder.name if uri else "grid", "beta against JSD", tags=COMMIT)
        self.artifacts = artifact_root(folder)

    def start(self, *records: Record) -> Mirror:
        mirror = Mirror(self.uri, self.artifacts, self.told)
        mirror.start(records)
        return mirror

    def run(self, *lives: Record, known: tuple[Record, ...] = ()) -> Mirrored:
        mirror = self.start(*known)
        push(mirror, *lives)
        return mirror.close(60)

    def sync(self, *records: Record) -> Mirrored:
        return sync(self.uri, self.artifacts, self.told, records)

    @property
    def client(self) -> Any:
        return connect(self.uri)

    @property
    def every(self) -> list[Any]:
        experiment = self.client.get_experiment_by_name(self.told.name)
        return list(self.client.search_runs([experiment.experiment_id])) if experiment else []

    @property
    def runs(self) -> list[Any]:
        """The runs of trials, and those that are not ours."""
        return [run for run in self.every if run.data.tags.get("sweeper.kind", "trial") == "trial"]

    def kind(self, kind: str) -> list[Any]:
        return [run for run in self.every if run.data.tags.get("sweeper.kind") == kind]

    @property
    def statuses(self) -> dict[str, str]:
        """Trial's seed -> status of its run; fails where a trial has two runs."""
        found = [(str(int(run.data.tags["sweeper.trial"], 16)), run.info.status) for run in self.runs]
        assert len(dict(found)) == len(found), f"a trial with two runs: {found}"
        return dict(found)

    def curve(self, run: Any, metric: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in self.client.get_metric_history(run.info.run_id, metric)]


def push(mirror: Mirror, *lives: Record) -> None:
    for life in lives:
        for event in events(life):
            mirror.push(life.trial, event)


def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.1)


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


# --- what MLflow shows ------------------------------------------------------------------------------------------------


def test_a_completed_trial_is_a_finished_run_with_parameters_and_final_metrics(sweep: Sweep) -> None:
    assert sweep.run(a_life(7)) == Mirrored(runs=1, behind=0, error="")
    (run,) = sweep.runs
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "beta=0.5 name=adam seed=7"
    assert (run.info.start_time, run.info.end_time) == (1000 * (T0 + 100), 1000 * (T0 + 104))
    assert run.data.params == {"loss.beta": "0.5", "optim.name": "adam", "train.steps": "2000", "seed": "7"}
    assert run.data.metrics == pytest.approx({"loss": 1 / 3, "accuracy": 0.2, "alignment": 0.9})


def test_a_run_carries_what_finds_it_again(sweep: Sweep) -> None:
    sweep.run(a_life(7, State.PRUNED))
    tags = sweep.runs[0].data.tags
    assert tags["sweeper.trial"] == a_trial(7).key
    assert tags["sweeper.config"] == "c" * 16
    assert (tags["sweeper.sweep"], tags["sweeper.code"], tags["sweeper.device"]) == ("grid", "d" * 16, "cpu")
    assert (tags["sweeper.attempt"], tags["sweeper.state"], tags["sweeper.reason"]) == ("1", "pruned", "it pruned")
    assert tags["mlflow.source.git.commit"] == "c0ffee"


def test_the_experiment_is_named_described_and_keeps_artifacts_in_the_results_folder(sweep: Sweep) -> None:
    sweep.run(a_life(7))
    experiment = sweep.client.get_experiment_by_name("grid")
    assert experiment.tags["mlflow.note.content"] == "beta against JSD"
    assert experiment.artifact_location == f"{artifact_root(sweep.folder)}/grid"


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
    assert {run.info.run_name for run in sweep.runs} == {"my own", a_trial(7).name}


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
    assert (mirrored.runs, mirrored.behind) == (3, 1)
    assert "not a number" in mirrored.error


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
    began = time.monotonic()
    push(mirror, a_life(7))
    late = mirror.close(1)
    assert time.monotonic() - began < 3
    assert (late.runs, late.behind, bool(late.error)) == (0, 1, True)
    lock.rollback()
    lock.close()
    assert sweep.sync(a_life(7)) == Mirrored(1, 0, "")


def test_a_file_that_is_no_database_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").write_text("a shopping list, longer than a header of SQLite is " * 4)
    mirrored = Sweep(tmp_path).sync(a_life(7))
    assert mirrored == Mirrored(0, 1, "file is not a database", 1)
    assert capfd.readouterr() == ("", "")


def test_a_store_of_another_mlflow_is_said_to_be_one(sweep: Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(sweep.folder / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0a1b2c3d4e5f'")
    database.close()
    mirrored = sweep.sync(a_life(7))
    assert mirrored.behind == 1
    assert "made by another MLflow version" in mirrored.error
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("uri", ["nonsense://somewhere", "http://127.0.0.1:9", "/a/folder"])
def test_a_wrong_address_is_an_error_in_one_line(uri: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mirrored = Sweep(tmp_path, uri).sync(a_life(7))
    assert (mirrored.runs, mirrored.behind) == (0, 1)
    assert mirrored.error
    assert "\n" not in mirrored.error
    assert capfd.readouterr() == ("", "")


def test_a_server_that_answers_500_costs_the_driver_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        broken = Sweep(tmp_path, f"http://user:secret@127.0.0.1:{server.server_port}")
        mirror = broken.start(a_life(1))
        push(mirror, a_life(2))
        mirrored = mirror.close(4)
        server.shutdown()
    assert (mirrored.runs, mirrored.behind) == (0, 2)
    assert mirrored.error
    assert "secret" not in mirrored.error
    assert capfd.readouterr() == ("", "")


def test_two_mirrors_that_make_the_store_at_once_make_one(tmp_path: Path) -> None:
    uri, artifacts = store_uri(tmp_path), artifact_root(tmp_path)
    mirrors = [Mirror(uri, artifacts, Experiment(name, "")) for name in ("one", "two")]
    for mirror in mirrors:
        mirror.start([])
        push(mirror, a_life(7))
    assert [mirror.close(120).behind for mirror in mirrors] == [0, 0]
    assert {e.name for e in connect(store_uri(tmp_path)).search_experiments()} == {"Default", "one", "two"}


# --- a server ---------------------------------------------------------------------------------------------------------


class Server:
    """`sweeper ui` as a process: MLflow's server on a results folder, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        call = f"serve({store_uri(self.folder)!r}, {artifact_root(self.folder)!r}, '127.0.0.1', {self.port})"
        # A shell's background job is started with Ctrl-C ignored, and so is all that a test starts from there.
        hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        command = [sys.executable, "-c", f"{hear}; from sweeper.tracking import serve; {call}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{self.address}\n"

    def stop(self, sign: int = signal.SIGKILL) -> int:
        self.process.send_signal(sign)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        until(self.is_gone)
        return code

    def is_gone(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0


@pytest.fixture(scope="module")
def server(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(template, folder / "mlflow.db")
    server = Server(folder)
    server.start()
    yield server
    assert server.stop(signal.SIGINT) == 0


@pytest.fixture
def served(server: Server, tmp_path: Path) -> Sweep:
    return Sweep(tmp_path, server.address)


def test_over_http_a_life_of_each_state_arrives(served: Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    life = a_life(1, State.DIVERGED)
    life.reports.append(Reported(life.trial.key, 1, T0 + 104, 30, {"loss": float("nan"), "kl": float("inf")}))
    assert served.run(a_life(0), life, a_life(2, State.FAILED), a_life(2, attempt=2)) == Mirrored(3, 0, "")
    assert served.statuses == {"0": "FINISHED", "1": "FAILED", "2": "FINISHED"}
    run = next(run for run in served.runs if run.data.params["seed"] == "0")
    assert served.curve(run, "loss") == [(0, 1.0), (10, 0.5), (20, pytest.approx(1 / 3))]
    assert capfd.readouterr() == ("", "")


def test_over_http_a_second_start_changes_nothing(served: Sweep, server: Server) -> None:
    lives = [a_life(seed) for seed in range(3)]
    served.run(*lives)
    before = (server.folder / "mlflow.db").read_bytes()
    assert served.run(known=tuple(lives)) == Mirrored(3, 0, "")
    assert (server.folder / "mlflow.db").read_bytes() == before


def test_the_running_trials_of_a_colleague_on_the_same_server_are_left_alone(served: Sweep, tmp_path: Path) -> None:
    theirs = Sweep(tmp_path, served.uri)
    theirs.artifacts = "file:///theirs"
    mirror = theirs.start()
    push(mirror, cut_short(a_life(1)))
    until(lambda: served.runs != [])
    served.run(a_life(2))
    assert served.statuses == {"1": "RUNNING", "2": "FINISHED"}
    mirror.close(60)


def test_a_server_killed_in_mid_sweep_and_restarted_gets_everything_once(served: Sweep, server: Server) -> None:
    mirror = served.start()
    push(mirror, a_life(1), cut_short(a_life(2)))
    until(lambda: served.statuses == {"1": "FINISHED", "2": "RUNNING"})
    assert server.stop() == -signal.SIGKILL
    push(mirror, a_life(2), a_life(3))
    late = served.start(a_life(1))  # another driver finds the server down at its start, and at its end
    assert late.close(2) == Mirrored(0, 1, f"{server.address} does not answer: connection refused", 1)
    server.start()
    assert mirror.close(60) == Mirrored(3, 0, "")
    assert served.statuses == dict.fromkeys("123", "FINISHED")
    assert [len(served.curve(run, "loss")) for run in served.runs] == [3, 3, 3]
    assert served.sync(*(a_life(seed) for seed in (1, 2, 3, 4))) == Mirrored(4, 0, "")
