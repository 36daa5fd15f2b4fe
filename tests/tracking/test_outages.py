"""The mirror and a real MLflow server that is down, slow, wrong, or killed: no trial lost, none doubled."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sweeper.tracking.trial_run import Mirrored
from sweeper.trial import Record, Reported, State
from tests.tracking.servers import T0, Proxy, Server, Sweep, a_life, cut_short, proxied, push, until


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


@pytest.mark.slow
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


# --- faults, one by one -----------------------------------------------------------------------------------------------

PATIENT = 3600  # a close that waited so long would meet pytest's own limit
SEEDS = [(beta, seed) for beta in (1, 2) for seed in (0, 1, 2)]


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with proxied(server.port) as proxy:
        yield proxy


@pytest.fixture
def troubled(proxy: Proxy, tmp_path: Path) -> Sweep:
    return Sweep(tmp_path, proxy.address)


def whole(sweep: Sweep) -> bool:
    """Whether two configurations of three seeds are there, once each, all in their places."""
    parents = {run.data.tags["sweeper.config"]: run.info.run_id for run in sweep.kind("config")}
    children = [run.data.tags["mlflow.parentRunId"] == parents[run.data.tags["sweeper.config"]] for run in sweep.runs]
    counts = len(sweep.kind("config")), len(sweep.kind("summary")), len(sweep.statuses)
    return counts == (2, 1, 6) and all(children) and {run.info.status for run in sweep.every} == {"FINISHED"}


def lives() -> list[Record]:
    return [a_life(seed, beta=beta) for beta, seed in SEEDS]


def test_answers_that_are_lost_double_nothing(troubled: Sweep, proxy: Proxy) -> None:
    proxy.fault = lambda number: "lost" if number % 11 == 0 else ""
    mirror = troubled.start()
    push(mirror, *lives())
    mirror.close(30)
    assert proxy.requests > 22
    proxy.fault = lambda number: ""
    assert troubled.sync(*lives()) == Mirrored(6, 0, "")
    assert whole(troubled)


def test_a_server_that_fails_now_and_then_gets_everything(troubled: Sweep, proxy: Proxy) -> None:
    proxy.fault = lambda number: "500" if number % 7 == 0 and number < 60 else ""
    mirror = troubled.start()
    push(mirror, *lives())
    mirrored = mirror.close(60)
    assert mirrored == Mirrored(6, 0, "")
    assert whole(troubled)


def test_a_refused_log_in_is_said_at_once_and_made_good_later(troubled: Sweep, proxy: Proxy) -> None:
    proxy.fault = lambda number: "403"
    mirror = troubled.start()
    push(mirror, *lives())
    mirrored = mirror.close(PATIENT)
    assert (mirrored.runs, mirrored.behind, mirrored.overviews) == (0, 6, 3)
    assert "MLFLOW_TRACKING_USERNAME" in mirrored.error
    proxy.fault = lambda number: ""
    assert troubled.sync(*lives()) == Mirrored(6, 0, "")
    assert whole(troubled)


def test_a_server_that_does_not_answer_delays_no_driver(troubled: Sweep, proxy: Proxy) -> None:
    proxy.fault = lambda number: "hold"
    mirror = troubled.start()
    push(mirror, *lives())
    late = mirror.close(3)  # both return although no request is answered
    assert late.behind
    assert "did not answer within 3 s" in late.error
    proxy.fault = lambda number: ""
    proxy.release.set()
    until(lambda: not mirror._thread.is_alive())  # in a run the process ends here
    assert troubled.sync(*lives()) == Mirrored(6, 0, "")
    assert whole(troubled)


def test_the_end_of_a_run_does_not_wait_for_a_server_that_is_gone(tmp_path: Path) -> None:
    gone = Sweep(tmp_path, "http://127.0.0.1:9")
    mirror = gone.start()
    push(mirror, *lives())
    time.sleep(1)
    mirrored = mirror.close(PATIENT)
    assert (mirrored.behind, mirrored.overviews) == (6, 3)
    assert mirrored.error == "http://127.0.0.1:9 does not answer: connection refused"


class Broken(BaseHTTPRequestHandler):
    """A server whose every answer is an error."""

    def do_GET(self) -> None:
        content = b"\nthe database is gone\nmore of it"
        self.send_response(500)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_server_that_answers_with_an_error_is_told_from_one_that_does_not_answer(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        mirrored = Sweep(tmp_path, address).sync(a_life(1))
        server.shutdown()
    assert mirrored == Mirrored(0, 1, f"{address} answers with HTTP 500: the database is gone", 1)
