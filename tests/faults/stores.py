"""Faults of a sweep that is stored in S3: the server killed, slow or full, drivers and nodes lost with their disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from audit import Row, audit
from faults import Fault, Sweep, cluster, end_tree
from subjects import Subject

sys.path.append(str(Path(__file__).parents[2]))
from tests.execution.worker.s3_server import S3Server

REPORTS = 3  # before a driver counts as working
FULL_S = 20.0  # how long a bucket stays full once
Outage = Callable[[S3Server, threading.Event, Sweep], None]  # breaks a server again and again until the event is set


def lost_disk(outage: Outage | None = None, *, slow_s: float = 0.0) -> Fault:
    """SIGKILL of the driver, and all files of its trials are gone; meanwhile the S3 server is slow, down or full."""

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        done = 0
        with served() as server:
            sweep = Sweep(folder, subject, more=f"storage: {server.url}\n")
            server.delay_s = slow_s
            with _broken_by(outage, server, sweep):
                for _ in range(times):
                    process = _worked(sweep)
                    done += process.poll() is None
                    process.kill()
                    process.wait()
                    shutil.rmtree(folder / "results" / "toy" / "trials", ignore_errors=True)
            server.delay_s = 0.0
            wrong = sweep.finish() or ("" if resumed(sweep) else "no trial went on from a checkpoint") or _left(server)
        return audit(done, folder, subject, wrong)

    return fault


@contextlib.contextmanager
def _broken_by(outage: Outage | None, server: S3Server, sweep: Sweep) -> Iterator[None]:
    """A thread breaks the server while the block lasts."""
    over = threading.Event()
    thread = threading.Thread(target=outage, args=(server, over, sweep), daemon=True) if outage else None
    if thread:
        thread.start()
    yield
    over.set()
    if thread:
        thread.join()


def killed(server: S3Server, over: threading.Event, sweep: Sweep) -> None:
    """The server is down for up to 2 s every few seconds."""
    while not over.wait(sweep.chance.uniform(0.5, 3.0)):
        server.stop()
        over.wait(sweep.chance.uniform(0.2, 2.0))
        server.start()


def full(server: S3Server, over: threading.Event, sweep: Sweep) -> None:
    """The bucket refuses to store anything for up to 4 s every few seconds, and the third time for much longer."""
    count = 0
    while not over.wait(sweep.chance.uniform(0.5, 3.0)):
        count += 1
        server.is_full = True
        over.wait(FULL_S if count == 3 else sweep.chance.uniform(0.2, 4.0))
        server.is_full = False


def lost_machine(folder: Path, times: int, subject: Subject) -> Row:
    """SIGKILL of the driver, and its results folder is gone; another one takes the sweep over from its storage."""
    done = 0
    with served() as server:
        sweep = Sweep(folder, subject, more=f"storage: {server.url}\n")
        stored = ("--from", server.url)
        for number in range(times):
            process = sweep.start(*(stored if number else ()))
            _wait_for_reports(sweep, process, _lines(_curves(sweep)))
            while not any("/ledger/index.json" in key for key in server.keys()):  # noqa: SIM118
                time.sleep(0.1)
            done += process.poll() is None
            process.kill()
            process.wait()
            shutil.rmtree(folder / "results")
        code = sweep.run(*stored)
        wrong = sweep.finish() or (f"exit code {code}" if code else "")
        wrong = wrong or ("" if resumed(sweep) else "no trial went on from a checkpoint") or _left(server)
        if not wrong:  # what the storage has is whole too
            before = sweep.ledger.read_bytes()
            shutil.rmtree(folder / "results")
            code = sweep.run(*stored)
            wrong = "" if code == 0 and sweep.ledger.read_bytes().startswith(before) else "the copy is another"
    return audit(done, folder, subject, wrong)


def lost_nodes_apart(folder: Path, times: int, subject: Subject) -> Row:
    """Loss of the second node of a cluster, whose disk is its own: a mount of its own where the trials' files lie."""
    with served() as server, cluster(folder, 0) as (address, add_node):
        env = {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token"}
        sweep, done = Sweep(folder, subject, "ray", f"retry: {{max: 100}}\nstorage: {server.url}\n", env), 0
        trials = folder / "results" / "toy" / "trials"
        trials.mkdir(parents=True)

        def node() -> subprocess.Popen[bytes]:
            disk = folder / f"disk-{done}"
            disk.mkdir()
            mount = 'mount --make-rprivate / && mount --bind "$0" "$1" && shift && exec "$@"'
            return add_node("unshare", "--mount", "sh", "-c", mount, str(disk), str(trials))

        running = node()
        while (folder / "cluster.txt").read_text().count("Ray runtime started.") < 2:  # the head has no cores
            time.sleep(0.2)
        process = sweep.start()
        while done < times and process.poll() is None:
            _wait_for_reports(sweep, process, _lines(_curves(sweep)))
            if process.poll() is None:
                end_tree(running)
                done += 1
                running = node()
        process.wait(400)
        end_tree(running)
        wrong = sweep.finish() or ("" if resumed(sweep) else "no trial went on from a checkpoint") or _left(server)
    away = [record.trial.key for record in sweep.records() if not (trials / record.trial.key / "log.txt").exists()]
    return audit(done, folder, subject, wrong or (f"logs that did not come home: {away[:3]}" if away else ""))


def started_together(folder: Path, times: int, subject: Subject) -> Row:
    """Two drivers, each with a results folder of its own, take the sweep from its storage at the same moment."""
    wrong = ""
    with served() as server:
        sweeps = [
            Sweep(folder, subject, more=f"storage: {server.url}\n", results=name) for name in ("results", "other")
        ]
        stored = ("--from", server.url)
        for number in range(times):
            pair = [sweep.start(*(stored if number else ())) for sweep in sweeps]
            while all(process.poll() is None for process in pair):
                time.sleep(0.1)
            codes = sorted(str(process.poll()) for process in pair)
            for process in pair:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    codes.append(str(process.wait(90)))
            if codes != ["2", "None", "143"]:
                wrong = wrong or f"the drivers ended with {codes}"
        code = sweeps[0].run(*stored)
        wrong = wrong or (f"exit code {code}" if code else "") or sweeps[0].finish() or _left(server)
    return audit(times, folder, subject, wrong)


@contextlib.contextmanager
def served() -> Iterator[S3Server]:
    """An S3 server on loopback with a bucket, and the log-in in the environment."""
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    server = S3Server()
    server.start()
    try:
        server.make_bucket()
        yield server
    finally:
        server.stop()


def resumed(sweep: Sweep) -> int:
    """How many trials began after their first step at least once."""
    starts = [line for line in sweep.ledger.read_text().splitlines() if '"e":"start"' in line]
    return sum('"step":0' not in line for line in starts)


def _left(server: S3Server) -> str:
    """What is wrong with the bucket in the end, or "": checkpoints of trials that have ended, or a lock."""
    stored = server.keys()
    left = [key for key in stored if "/trials/" in key or key.endswith("driver.json")]
    return f"left in the bucket: {left[:3]}" if left else ""


def _worked(sweep: Sweep) -> subprocess.Popen[bytes]:
    """A driver that has trained for a random time; it does not start while the storage takes no file."""
    while True:
        before = _lines(_curves(sweep))
        process = sweep.start()
        _wait_for_reports(sweep, process, before)
        if process.poll() != 2:
            return process


def _wait_for_reports(sweep: Sweep, process: subprocess.Popen[bytes], before: int) -> None:
    """Wait until some more reports than `before` are there, and then for a random time."""
    while _lines(_curves(sweep)) < before + REPORTS and process.poll() is None:
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(sweep.chance.uniform(0.0, sweep.subject.latest_s))


def _curves(sweep: Sweep) -> Path:
    return sweep.ledger.with_name("curves.jsonl")


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
