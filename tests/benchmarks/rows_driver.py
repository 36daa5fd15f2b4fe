"""The driver by itself: quick verbs, large sweeps, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from contest import environment
from readings import OURS, AtMost, Found, Row

ALONE = "Limits"
LARGE = """\
name: large
trainer: work:noop
metric: {name: score, goal: maximize}
parameters: {x: {min: 1, max: %d, points: %d}}
seeds: 10
"""
PACK = """\
name: pack
trainer: cvae
base: {train.steps: 40, train.report_every: 40, loss.inter_latent_divergence_weight: 1}
metric: {name: alignment, goal: maximize}
parameters: {loss.beta: {values: [1]}}
seeds: 16
resources: {pack: 16}
"""


def verbs(quick: bool) -> Iterator[Found]:
    """What a person waits for most often."""
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-") as name:
        folder = _with_file(Path(name), LARGE % (10_000, 10_000))
        for _ in range(3 if quick else 7):
            yield Found("`sweeper --help`", OURS, _run(folder, "--help")[0])
        for _ in range(1 if quick else 3):
            yield Found("`sweeper plan` of 100 000 trials", OURS, _run(folder, "plan", "file.yaml")[0])


def large(quick: bool) -> Iterator[Found]:
    """A sweep of no-op trials in one process, MLflow included; then the same command again."""
    count = 2_000 if quick else 10_000
    words = ("run", "file.yaml", "--runner", "inprocess", "--quiet", "--results", ".")
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-") as name:
        folder = _with_file(Path(name), LARGE % (count // 10, count // 10))
        seconds, peak_mb = _run(folder, *words)
        yield Found(f"{count} no-op trials in one process, all of it", OURS, seconds)
        grown = f"{count} no-op trials: cost of a trial in the last tenth over that in the first"
        yield Found(grown, OURS, _growth(folder), "x")
        yield Found(f"memory of the driver at {count} trials, at most", OURS, peak_mb, "MB")
        for _ in range(1 if quick else 3):
            yield Found(f"resume of {count} finished trials", OURS, _run(folder, *words)[0])


def worker(quick: bool) -> Iterator[Found]:
    """The most memory that the worker of a pack of 16 ever held, as the system counts it."""
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-", ignore_cleanup_errors=True) as name:
        folder = _with_file(Path(name), PACK)
        process, peak_mb = _start(folder, "run", "file.yaml", "--quiet", "--results", "."), 0.0
        while process.poll() is None:
            peak_mb = max([peak_mb, *_worker_peaks(process.pid)])
            time.sleep(0.1)
        if process.returncode or not peak_mb:
            raise RuntimeError(f"ended with {process.returncode}: {(folder / 'said.txt').read_text()[-1000:]}")
        yield Found("memory of a worker at pack 16, at most", OURS, peak_mb, "MB")


def _with_file(folder: Path, text: str) -> Path:
    (folder / "file.yaml").write_text(text)
    return folder


def _start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    said = (folder / "said.txt").open("wb")
    env = environment(folder / "cache")
    return subprocess.Popen([sys.executable, "-m", "sweeper", *words], cwd=folder, env=env, stdout=said, stderr=said)


def _run(folder: Path, *words: str) -> tuple[float, float]:
    """Seconds, megabytes at most. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    process = _start(folder, *words)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (folder / "said.txt").read_text()[-1000:]
        raise RuntimeError(f"sweeper {' '.join(words)} ended with {process.returncode}: {said}")
    return seconds, usage.ru_maxrss / 1024


def _growth(folder: Path) -> float:
    """How much longer the last tenth of the trials took than the first, by the ledger."""
    lines = (folder / "large" / "ledger.jsonl").read_text().splitlines()
    ends = [json.loads(line)["at"] for line in lines if '"e":"end"' in line]
    tenth = len(ends) // 10
    return (ends[-1] - ends[-1 - tenth]) / (ends[tenth] - ends[0])


def _worker_peaks(driver: int) -> Iterator[float]:
    """Megabytes at most so far, of each process in which Ray runs packs."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if "PackTrainable" in " ".join(process.cmdline()):
                status = Path(f"/proc/{process.pid}/status").read_text()
                yield int(status.split("VmHWM:")[1].split()[0]) / 1024
        except (psutil.Error, OSError, IndexError):
            continue


ROWS = [
    Row(
        "verbs",
        ALONE,
        verbs,
        {"--help": (AtMost(0.3, "0.3 s"),), "plan": (AtMost(5, "5 s"),)},
    ),
    Row(
        "large",
        ALONE,
        large,
        {
            "last tenth": (AtMost(1.5, "within 1.5x"),),
            "memory of the driver": (AtMost(500, "500 MB"),),
            "resume": (AtMost(3, "3 s"),),
        },
    ),
    Row("worker", ALONE, worker, {"memory": (AtMost(2000, "2 GB"),)}),
]
