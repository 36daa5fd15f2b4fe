"""The driver by itself: quick commands, large sweeps, memory."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from contest import environment
from peaks import Peak
from readings import OURS, AtMost, Found, Row

ALONE = "Limits"
IN_PROCESS = "sweeper in-process"
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
    """Trials that do nothing, by both runners, MLflow included; when MLflow has it all, the same command again.

    MLflow takes 15 ms a trial: it is given what it lacks before the command is repeated, and not on the clock.
    """
    count = 1_000 if quick else 10_000
    for runner, contender in (("ray", OURS), ("inprocess", IN_PROCESS)):
        words = ("run", "file.yaml", "--quiet", "--results", ".", "--runner", runner)
        with tempfile.TemporaryDirectory(prefix="sweeper-bench-", ignore_cleanup_errors=True) as name:
            folder = _with_file(Path(name), LARGE % (count // 10, count // 10))
            seconds, peak_mb = _run(folder, *words)
            yield Found(f"{count} no-op trials, all of it", contender, seconds)
            grown = f"{count} no-op trials: cost of a trial in the last tenth over that in the first"
            yield Found(grown, contender, _growth(folder), "x")
            yield Found(f"memory of the driver at {count} trials, at most", contender, peak_mb, "MB")
            if contender == OURS:
                _run(folder, "sync", "large", "--results", ".")
                for _ in range(1 if quick else 3):
                    yield Found(f"resume of {count} finished trials", contender, _run(folder, *words)[0])


def worker(quick: bool) -> Iterator[Found]:
    """The most memory that the worker of a pack of 16 ever held."""
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-", ignore_cleanup_errors=True) as name:
        folder = _with_file(Path(name), PACK)
        peak_mb = _run(folder, "run", "file.yaml", "--quiet", "--results", ".", of=_workers)[1]
        yield Found("memory of a worker at pack 16, at most", OURS, peak_mb, "MB")


def _with_file(folder: Path, text: str) -> Path:
    (folder / "file.yaml").write_text(text)
    return folder


def _itself(driver: int) -> Iterator[int]:
    yield driver


def _workers(driver: int) -> Iterator[int]:
    """The processes in which Ray runs packs."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(driver).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "PackTrainable" in " ".join(process.cmdline()):
                    yield process.pid


def _run(folder: Path, *words: str, of: Callable[[int], Iterator[int]] = _itself) -> tuple[float, float]:
    """Seconds, and megabytes at most of the driver or of the processes that `of` finds. Raises RuntimeError."""
    command, env = [sys.executable, "-m", "sweeper", *words], environment(folder / "cache")
    with (folder / "said.txt").open("wb") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=said)
        with Peak(lambda: of(process.pid)) as peak:
            process.wait()
            seconds = time.perf_counter() - began
    if process.returncode:
        output = (folder / "said.txt").read_text()[-1000:]
        raise RuntimeError(f"sweeper {' '.join(words)} ended with {process.returncode}: {output}")
    return seconds, peak.megabytes


def _growth(folder: Path) -> float:
    """How much longer the last tenth of the trials took than the first, by when the ledger says that they ended."""
    lines = (folder / "large" / "ledger.jsonl").read_text().splitlines()
    ends: list[float] = sorted(json.loads(line)["at"] for line in lines if '"e":"end"' in line)
    tenth = len(ends) // 10
    return (ends[-1] - ends[-1 - tenth]) / (ends[tenth] - ends[0])


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
