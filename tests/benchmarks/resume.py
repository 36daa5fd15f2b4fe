"""How long a sweep of 10 000 finished trials takes to resume, and how much memory: `python tests/benchmarks/resume.py`.

The trials are real: a no-op trainer makes them with the in-process runner. Then the same command runs again, and once
more after it was killed half way, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peaks import Peak

FILE = """\
name: many
trainer: noop:train
metric: {name: score, goal: maximize}
parameters: {x: {min: 1, max: %d, points: %d}}
seeds: 10
"""
COMMAND = ("run", "many.yaml", "--runner", "inprocess", "--json", "--quiet", "tracking.uri=http://127.0.0.1:9")
TRAINER = "def train(params, report):\n    report(1, {'score': float(params['x'])})\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "many.yaml").write_text(FILE % (trials // 10, trials // 10))
        (folder / "noop.py").write_text(TRAINER)
        print(f"first run, killed after half of its trials: {killed_half_way(folder, trials):.1f} s")
        for words in ("the rest", "again, nothing to train"):
            seconds, peak_mb, trained = run(folder)
            print(f"{words}: {seconds:.2f} s, {peak_mb:.0f} MB at most, {trained} trained")
        print(f"extended by a seed, to the first new trial: {to_first_start(folder):.2f} s")
        for command in (["plan", "many.yaml"], ["status", "many"], ["list"]):
            seconds, peak_mb, _ = run(folder, *command)
            print(f"{command[0]}: {seconds:.2f} s, {peak_mb:.0f} MB at most")
        print(f"ledger: {(folder / 'results' / 'many' / 'ledger.jsonl').stat().st_size / 1e6:.1f} MB")


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = words or COMMAND
    env = {**os.environ, "PYTHONPATH": str(folder)}
    out = (folder / "out.json").open("wb")
    return subprocess.Popen([sys.executable, "-m", "sweeper", *command], cwd=folder, env=env, stdout=out)


def run(folder: Path, *words: str) -> tuple[float, float, int]:
    """Seconds, megabytes at most, trials trained."""
    began = time.perf_counter()
    process = start(folder, *words)
    with Peak(lambda: [process.pid]) as peak:
        process.wait()
        seconds = time.perf_counter() - began
    output = (folder / "out.json").read_text()
    trained = json.loads(output)["trained"] if not words else 0
    return seconds, peak.megabytes, trained


def to_first_start(folder: Path) -> float:
    """Seconds from the command to the first trial that is taken up; the run is killed then."""
    ledger = folder / "results" / "many" / "ledger.jsonl"
    began, known = time.perf_counter(), ledger.stat().st_size
    process = start(folder, *COMMAND, "seeds=11")
    while True:
        with ledger.open("rb") as file:
            file.seek(known)
            if b'"e":"start"' in file.read():
                break
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    process.kill()
    process.wait()
    return seconds


def killed_half_way(folder: Path, trials: int) -> float:
    began, ledger = time.perf_counter(), folder / "results" / "many" / "ledger.jsonl"
    process = start(folder)
    while not ledger.exists() or ledger.read_bytes().count(b'"e":"end"') < trials // 2:
        time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
