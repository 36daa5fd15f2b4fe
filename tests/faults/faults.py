"""The faults: each runs a sweep in a folder, breaks it on the way, and finishes it with the same command."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from audit import MARK, Row, audit
from subjects import HERE, Subject

if TYPE_CHECKING:
    from sweeper.trial import Record


@dataclass(slots=True)
class Sweep:
    """A subject in a folder, as a person would run it again and again; `more` is added to its sweep file."""

    folder: Path
    subject: Subject
    runner: str = "inprocess"
    more: str = ""
    env: dict[str, str] = field(default_factory=dict)
    results: str = "results"
    closed: bool = False  # without standard output and error
    chance: random.Random = field(default_factory=lambda: random.Random(0))

    def __post_init__(self) -> None:
        (self.folder / "toy.yaml").write_text(self.subject.text + self.more)

    def start(self, *overrides: str, stream: int | None = None) -> subprocess.Popen[bytes]:
        where = ("--results", self.results) if self.results != "results" else ()
        return self.call("run", "toy.yaml", "--runner", self.runner, *where, *overrides, stream=stream)

    def call(self, *words: str, stream: int | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sweeper", *words]
        env = {**os.environ, **self.environment()}
        if self.closed:
            command = ["sh", "-c", 'exec "$0" "$@" >&- 2>&-', *command]
        log = stream or self.said.open("ab")
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True)

    def environment(self) -> dict[str, str]:
        """What its processes find in their environment besides this one's."""
        python_path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        return {"PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", MARK: str(self.folder), **self.env}

    def run(self, *overrides: str) -> int:
        """Run to the end; returns the exit code."""
        with self.start(*overrides) as process:
            return process.wait(300)

    def start_and_wait(self, *overrides: str, stream: int | None = None) -> subprocess.Popen[bytes]:
        """Start, and wait until it works, and then until a random moment of its work."""
        process, before = self.start(*overrides, stream=stream), _size(self.ledger)
        while _size(self.ledger) == before and process.poll() is None:
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.chance.uniform(0.0, self.subject.latest_s))
        return process

    def finish(self, times: int = 20, *, may_fail: bool = False) -> str:
        """Run until it is finished; returns what is wrong, or "".

        Where trials `may_fail` because of the fault, they are tried again, as the last line of the run before says.
        """
        code, again = -1, tuple[str, ...]()
        for _ in range(times):
            code = self.run(*again)
            if code == 0:
                return "" if self._is_mirrored() else self._sync()
            if code == 4 and not may_fail:
                return "trials failed"
            again = ("--rerun", "failed") if code == 4 else ()
        return f"the last of {times} runs ended with {code}"

    def _is_mirrored(self) -> bool:
        """Whether the last run says that MLflow has everything."""
        last = _content(self.ledger).splitlines()[-1]
        return b'"e":"stop"' in last and b'"mirror":""' not in last

    def _sync(self) -> str:
        with self.call("sync", "toy") as process:
            return "" if process.wait(300) == 0 else "sync left something behind"

    def wrong_after(self, code: int, *codes: int, is_seen: bool = True) -> str:
        """What is wrong with a run that was stopped and ended with `code`, or "".

        One that had finished ends with 0. `is_seen` says that somebody could read its last line.
        """
        if code not in (*codes, 0):
            return f"exit code {code} instead of {' or '.join(map(str, codes))}"
        if failed := [name for name, state in self.state().items() if state.startswith("failed")]:
            return f"{len(failed)} trials failed: {failed[0]}"
        last = [line for line in self.said.read_text(errors="replace").splitlines() if line.strip()][-1:]
        if code > 0 and is_seen and not "".join(last).startswith("continue with: sweeper run "):
            return f"exit code {code}, and the last line was {last}"
        return ""

    @property
    def said(self) -> Path:
        return self.folder / "said.txt"

    @property
    def ledger(self) -> Path:
        return self.folder / self.results / "toy" / "ledger.jsonl"

    def state(self) -> dict[str, str]:
        """What the ledger says of each trial: its parameters as text -> its state and reason."""
        return {r.trial.name: f"{r.state} {r.ended.reason if r.ended else ''}" for r in self.records()}

    def records(self) -> list[Record]:
        """The ledger's record of each trial."""
        from sweeper.ledger.history import read_history
        from sweeper.ledger.paths import SweepDir

        return list(read_history(SweepDir(self.folder / self.results, "toy")).planned())


Fault = Callable[[Path, int, Subject], Row | Iterable[Row]]
Broken = Callable[[Path], contextlib.AbstractContextManager[None]]


def killed_driver(runner: str) -> Fault:
    """SIGKILL of the driver at random moments, from its first millisecond on."""

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        sweep, done = Sweep(folder, subject, runner), 0
        for _ in range(times):
            process = sweep.start()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(sweep.chance.uniform(0, subject.latest_s))
            done += process.poll() is None
            process.kill()
            process.wait()
        return audit(done, folder, subject, sweep.finish())

    return fault


def signalled(number: signal.Signals, presses: int, runner: str, *codes: int, group: bool = False) -> Fault:
    """A signal to the driver at random moments of its work; it has to end with one of `codes`.

    Ctrl-C, and others with `group`, go to all processes of the driver's group, as terminals, `timeout` and `srun` do.
    """
    send = os.killpg if group or number is signal.SIGINT else os.kill

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        sweep, wrong, done = Sweep(folder, subject, runner), "", 0
        for _ in range(times):
            process = sweep.start_and_wait()
            done += process.poll() is None
            for _ in range(presses):
                if process.poll() is None:
                    send(process.pid, number)
                time.sleep(0.05)
            code = process.wait(90)
            wrong = wrong or sweep.wrong_after(code, *codes)
        return audit(done, folder, subject, sweep.finish() or wrong)

    return fault


def spent_budget(runner: str) -> Fault:
    """A budget of time that ends at random moments: exit code 5."""

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        sweep, wrong, done = Sweep(folder, subject, runner), "", 0
        for _ in range(times):
            with sweep.start(f"budget.wall={sweep.chance.uniform(0.1, subject.latest_s):.2f}s") as process:
                code = process.wait(90)
            done += code == 5
            wrong = wrong or sweep.wrong_after(code, 5)
        return audit(done, folder, subject, sweep.finish() or wrong)

    return fault


def closed_terminal(folder: Path, times: int, subject: Subject) -> Row:
    """The terminal in which the driver runs is closed at random moments."""
    sweep, wrong = Sweep(folder, subject), ""
    for _ in range(times):
        terminal, inside = os.openpty()
        process = sweep.start_and_wait(stream=inside)
        os.close(inside)
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGHUP)
        sweep.said.touch()
        code = process.wait(90)
        wrong = wrong or sweep.wrong_after(code, 143, is_seen=False)
    return audit(times, folder, subject, sweep.finish() or wrong)


def killed_workers(folder: Path, times: int, subject: Subject) -> Row:
    """SIGKILL of Ray's worker processes."""
    sweep = Sweep(folder, subject, "ray", "retry: {max: 100}\n")
    process, done = sweep.start(), 0
    while done < times and process.poll() is None:
        time.sleep(sweep.chance.uniform(0.5, subject.latest_s))
        for worker in _workers(process.pid)[:1]:
            with contextlib.suppress(psutil.Error):
                worker.kill()
                done += 1
    process.wait(300)
    return audit(done, folder, subject, sweep.finish())


def lost_nodes(folder: Path, times: int, subject: Subject) -> Row:
    """Loss of the second node of a cluster in mid-sweep."""
    with cluster(folder) as (address, add_node):
        env = {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token"}
        sweep, done = Sweep(folder, subject, "ray", "retry: {max: 100}\n", env), 0
        node = add_node()
        process = sweep.start()
        while done < times and process.poll() is None:
            _wait_for_report_of(node, sweep, process)
            time.sleep(sweep.chance.uniform(0.0, 2.0))
            if process.poll() is None:
                end_tree(node)
                done += 1
                node = add_node()
        process.wait(400)
        end_tree(node)
        wrong = sweep.finish()
    return audit(done, folder, subject, wrong)


def _wait_for_report_of(node: subprocess.Popen[bytes], sweep: Sweep, process: subprocess.Popen[bytes]) -> None:
    """Wait until a trial of this node has reported: the log that a worker of the node writes names it."""
    curves, training = sweep.ledger.with_name("curves.jsonl"), set[str]()
    before = _size(curves)
    while process.poll() is None:
        for worker in _workers(node.pid):
            with contextlib.suppress(psutil.Error):
                logs = (Path(file.path) for file in worker.open_files())
                training |= {log.parent.name for log in logs if log.name == "log.txt"}
        if any(f'"trial":"{trial}"'.encode() in _content(curves)[before:] for trial in training):
            return
        time.sleep(0.1)


def lost_head(folder: Path, times: int, subject: Subject) -> Row:
    """Loss of the head of a cluster: exit code 1 with the command that continues, then a new cluster finishes."""
    sweep = Sweep(folder, subject, "ray")
    with cluster(folder) as (address, _):
        sweep.env = {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token"}
        process = sweep.start()
        while b'"e":"start"' not in _content(sweep.ledger) and process.poll() is None:
            time.sleep(0.1)
    code = process.wait(150)
    wrong = "" if code == 1 and "continue with:" in sweep.said.read_text() else f"exit code {code}"
    sweep.env, sweep.runner = {}, "inprocess"
    return audit(1, folder, subject, sweep.finish() or wrong)


def lost_own_head(folder: Path, times: int, subject: Subject) -> Row:
    """SIGKILL of the head process of the driver's own Ray: exit code 1 with the command that continues."""
    sweep, wrong = Sweep(folder, subject, "ray"), ""
    for _ in range(times):
        process, before = sweep.start(), _content(sweep.ledger).count(b'"e":"start"')
        while _content(sweep.ledger).count(b'"e":"start"') == before and process.poll() is None:
            time.sleep(0.1)
        heads = [child for child in psutil.Process(process.pid).children() if child.name() == "gcs_server"]
        for head in heads:
            head.kill()
        code, last = process.wait(50), sweep.said.read_text().splitlines()[-1]
        if code != 1 or "continue with:" not in last:
            wrong = f"exit code {code}, and the last line was {last}"
    return audit(times, folder, subject, sweep.finish() or wrong)


def deeds(folder: Path, times: int, subject: Subject) -> list[Row]:
    """Trainers that do what no trainer should, beside good ones; one row a deed."""
    return _rows_by_deed(folder, subject, ENDS, "resources: {timeout: 8}\n", {})


def full_memory(folder: Path, times: int, subject: Subject) -> list[Row]:
    """Trainers that take memory until Ray ends their processes; Tune itself breaks off at that."""
    used = psutil.virtual_memory()
    limit = (used.total - used.available + 4 * 2**30) / used.total
    env = {"RAY_memory_usage_threshold": f"{limit:.3f}", "RAY_memory_monitor_refresh_ms": "100"}
    return _rows_by_deed(folder, subject, {"out of memory": "failed out of memory"}, "", env)


def _rows_by_deed(folder: Path, subject: Subject, ends: dict[str, str], more: str, env: dict[str, str]) -> list[Row]:
    names = ["good", *ends]
    subject = replace(subject, trials=subject.trials * len(names), result=None)  # the good ones end with a number
    more += f"parameters: {{deed: {{values: [{', '.join(names)}]}}}}\nretry: {{max: 1}}\n"
    sweep = Sweep(folder, subject, "ray", more + "abort: {consecutive_failures: null}\n", env)
    code = sweep.run()
    found, rows = sweep.state(), []
    whole = audit(1, folder, subject, "" if code == 4 else f"exit code {code}")
    for deed, wanted in ends.items():
        states = [state for name, state in found.items() if f"deed={deed} " in f"{name} "]
        right = len(states) == 2 and all(state.startswith(wanted) for state in states)
        lost = sum(state.startswith(("pending", "running")) for state in states) + 2 - len(states)
        remark = whole.remark or ("" if right else f"ended as {states}")
        runs = 2 if whole.mlflow_runs == whole.expected else whole.mlflow_runs
        counts = (2, 2, len(states), -1, lost, 0, runs, whole.orphans, 0, whole.leftovers)
        rows.append(Row(deed, subject.trainer, *counts, remark))
    return rows


def two_drivers(folder: Path, times: int, subject: Subject) -> Row:
    """A second `sweeper run` while the first runs: refused with exit code 2."""
    sweep = Sweep(folder, subject)
    process = sweep.start()
    codes: list[int] = []
    while not sweep.ledger.exists():
        time.sleep(0.05)
    while len(codes) < times and process.poll() is None:
        codes.append(sweep.run())
    if process.poll() is not None:
        codes.pop()  # it may have found the sweep finished
    process.wait(120)
    return audit(len(codes), folder, subject, "" if set(codes) == {2} else f"the second driver ended with {codes}")


def full_disk(folder: Path, times: int, subject: Subject) -> Row:
    """A results folder on a file system that fills up in mid-run, and is emptied again."""
    return _broken_folder(folder, times, subject, "size=8m", filled, {0, 1, 2})


def read_only(folder: Path, times: int, subject: Subject) -> Row:
    """A results folder that becomes read-only in mid-run, and writable again."""
    return _broken_folder(folder, times, subject, "size=64m", unwritable, {0, 1, 2, 4})


def _broken_folder(folder: Path, times: int, subject: Subject, options: str, broken: Broken, allowed: set[int]) -> Row:
    place = folder / "results"
    with mounted(place, options):
        sweep, codes = Sweep(folder, subject), set()
        for _ in range(times):
            process = sweep.start()
            time.sleep(1.5 + sweep.chance.uniform(0.0, subject.latest_s))
            with broken(place):
                codes.add(process.wait(300))
        wrong = sweep.finish(may_fail=True)
        return audit(times, folder, subject, wrong or ("" if codes <= allowed else f"exit codes {codes}"))


@contextlib.contextmanager
def filled(place: Path) -> Iterator[None]:
    """While the block runs, there is no room on the file system of `place`."""
    ballast = place / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    yield
    ballast.unlink()


@contextlib.contextmanager
def unwritable(place: Path) -> Iterator[None]:
    """While the block runs, `place` is mounted read-only."""
    subprocess.run(["mount", "--bind", place, place], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    yield
    subprocess.run(["umount", place], check=True)


def clock_set_back(folder: Path, times: int, subject: Subject) -> Row:
    """The clock, as Python reads it, jumps back by an hour again and again."""
    (folder / "sitecustomize.py").write_text(
        "import time\nreal, born, jumps = time.time, time.time(), set()\n"
        "def set_back():\n"
        "    hours = int((real() - born) / 0.7)\n"
        "    if hours not in jumps:\n"
        "        jumps.add(hours)\n"
        f"        open({str(folder / 'jumps.txt')!r}, 'a').write('x' * (hours > 0))\n"
        "    return real() - 3600 * hours\n"
        "time.time = set_back\n"
    )
    python_path = os.pathsep.join([str(folder), str(HERE), str(HERE.parents[1])])
    sweep = Sweep(folder, subject, env={"PYTHONPATH": python_path})
    wrong = sweep.finish()
    jumps = _size(folder / "jumps.txt")
    return audit(jumps, folder, subject, wrong or ("" if jumps else "the clock was not set back"))


def restarted_mlflow(folder: Path, times: int, subject: Subject) -> Row:
    """A real MLflow server that is killed and started again."""
    port = sweep_port()
    uri = f"http://127.0.0.1:{port}"
    sweep = Sweep(folder, subject, more=f"tracking: {{uri: '{uri}'}}\n")
    server = start_mlflow(folder, port)
    process, done = sweep.start(), 0
    while done < times and process.poll() is None:
        time.sleep(sweep.chance.uniform(0.2, subject.latest_s))
        end_tree(server)
        done += 1
        time.sleep(sweep.chance.uniform(0.0, 1.0))
        server = start_mlflow(folder, port, wait=False)
    process.wait(200)
    wait_for_mlflow(uri)
    wrong = sweep.finish()
    row = audit(done, folder, subject, wrong, mlflow=uri)
    end_tree(server)
    return row


ENDS = {
    "nan": "diverged score is nan at step 3",
    "exception": "failed ValueError: bad luck",
    "sys.exit": "failed SystemExit: 3",
    "segmentation fault": "failed the worker process died",
    "hang": "failed timeout",
}


def _workers(driver: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(driver).children(recursive=True)
        return [process for process in family if "Trainable" in " ".join(process.cmdline())]
    return []


def _size(path: Path) -> int:
    return len(_content(path))


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """A small file system in memory at `place`."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def cluster(folder: Path, head_cores: int = 1) -> Iterator[tuple[str, Callable[..., subprocess.Popen[bytes]]]]:
    """The head of a Ray cluster; nodes of one core are added, by a command that words may precede."""
    port = sweep_port()
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # the driver's too
    env = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", MARK: f"{folder}/cluster"}
    env |= {"RAY_AUTH_MODE": "token"}
    log = (folder / "cluster.txt").open("ab")

    def start(*words: str, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        ray = str(Path(sys.executable).with_name("ray"))
        command = [*before, ray, "start", *words, "--block", "--disable-usage-stats"]
        return subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)

    ports = [f"--port={port}", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    head = start("--head", *ports, f"--num-cpus={head_cores}")
    until = time.monotonic() + 60
    while not _answers(port) and time.monotonic() < until:
        time.sleep(0.2)
    try:
        yield f"127.0.0.1:{port}", lambda *before: start(f"--address=127.0.0.1:{port}", "--num-cpus=1", before=before)
    finally:
        end_tree(head)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all its descendants."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    process.kill()
    process.wait()


def start_mlflow(folder: Path, port: int, *, wait: bool = True) -> subprocess.Popen[bytes]:
    store = f"sqlite:///{folder / 'server.db'}"
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", store, "--workers", "1"]
    words += ["--default-artifact-root", str(folder / "artifacts")]
    log = (folder / "mlflow.txt").open("ab")
    command = [sys.executable, "-m", "mlflow", *words]
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    if wait:
        wait_for_mlflow(f"http://127.0.0.1:{port}")
    return process


def wait_for_mlflow(uri: str, wait_s: float = 60.0) -> None:
    from urllib.request import urlopen

    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            urlopen(f"{uri}/health", timeout=2).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"no MLflow server at {uri}")


def sweep_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
