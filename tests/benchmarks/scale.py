"""The driver of a sweep of 100 000 trials of about 1 s on a simulated cluster of 1 000 workers.

    python tests/benchmarks/scale.py [--trials 100000] [--workers 1000] [--profile] [--storage] [--mirror]

The plan, the driver, the ledger and the commands are real. The cluster is a list of moments: workers take up a pack 20
to 200 ms after it was handed out, trials take 0.5 to 2 s, and what they send arrives 5 to 50 ms later. Nothing sleeps:
seconds are those of the processor that the driver needs, and the cluster's are those that it would have taken with
a driver that answers at once. The source is called as the Ray runner calls it. MLflow is not reachable meanwhile;
`--mirror` then writes all of it into SQLite (25 minutes). `--storage` copies the ledger into a folder meanwhile.
"""

from __future__ import annotations

import argparse
import cProfile
import heapq
import os
import pstats
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resume import FILE, TRAINER

from sweeper.execution.display import Silence
from sweeper.execution.options import Options, Runner
from sweeper.execution.run import opened
from sweeper.execution.runner import Pack, Source
from sweeper.planning import plan
from sweeper.spec.load import load_spec
from sweeper.trainer import trainer
from sweeper.trial import Ended, Event, Reported, Started, State

SEEDS = 10
Due = tuple[float, int, int, list[Event], bool]  # when, a number that makes it unique, pack, events, whether it is over


@dataclass(slots=True)
class SimulatedCluster:
    """Workers that train nothing and send what real ones would, in the order of the moments at which it arrives."""

    workers: int
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    due: list[Due] = field(default_factory=list)
    now: float = 0.0
    events: int = 0
    count: int = 0

    def run(self, source: Source) -> None:
        """Until the source has nothing more, with its calls in the order of the Ray runner."""
        running: set[int] = set()
        while True:
            while len(running) < self.workers and not source.is_done():
                offered = source.next_pack()
                if offered is None:
                    break
                running.add(offered.number)
                self._train(offered)
            if not self.due:
                return
            self.now, _, number, events, is_over = heapq.heappop(self.due)
            for event in events:
                source.record(event)
                self.events += 1
            if not is_over:
                source.verdicts(number)
                source.is_stopping()
            source.is_cancelled()
            source.hung()
            if is_over:
                running.remove(number)
                source.closed(number)

    def _train(self, offered: Pack) -> None:
        (job,) = offered.jobs
        begun = self.now + self.chance.uniform(0.02, 0.2)
        over = begun + self.chance.uniform(0.5, 2.0)
        metrics = {"score": float(job.params["x"])}  # type: ignore[arg-type]
        end = (State.COMPLETED, "", metrics, 2, over - begun, begun, "cpu", "simulated", job.commit)
        self._send(begun, offered.number, [Started(job.trial, job.attempt, begun, "cpu", "simulated")])
        self._send((begun + over) / 2, offered.number, [Reported(job.trial, job.attempt, begun, 1, metrics)])
        ended = Ended(job.trial, job.attempt, over, *end)
        self._send(over, offered.number, [Reported(job.trial, job.attempt, over, 2, metrics), ended], is_over=True)

    def _send(self, at: float, number: int, events: list[Event], *, is_over: bool = False) -> None:
        self.count += 1
        latest = at + (0.05 if is_over else self.chance.uniform(0.005, 0.05))  # a pack's last words come last
        heapq.heappush(self.due, (latest, self.count, number, events, is_over))


@contextmanager
def measured(name: str) -> Iterator[None]:
    """Prints what a block takes; with the peak of the process until then."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<36} {cpu:7.1f} s CPU, {wall:7.1f} s passed, {peak:6.0f} MB at most so far", flush=True)


def drive(file: Path, workers: int, profile: cProfile.Profile | None) -> None:
    """Plan and run the sweep, as `sweeper run` does."""
    results = file.parent / "results"
    with measured("plan"):
        sweep = load_spec(file)
        found = trainer.find("noop:train")
        made = plan.make(sweep, found, results)
    cluster = SimulatedCluster(workers)
    with ExitStack() as stack:
        with measured("begin: the plan into the ledger, jobs"):
            options = Options(results, Runner.INPROCESS, None, None)
            session = stack.enter_context(opened(made, found, options, Silence())).session
        session.most_concurrent = session.max_concurrent = None
        if profile:
            profile.enable()
        cpu = time.process_time()
        with measured("the driver, from first to last event"):
            cluster.run(session)
        cpu = time.process_time() - cpu
        if profile:
            profile.disable()
        with measured("the end of the run"):
            stack.close()
    trained = session.budgets.trained
    print(f"  {trained} trials, {cluster.events} events: {cluster.events / cpu:.0f} events per second of the processor")
    print(f"  the cluster would have taken {cluster.now:.0f} s; the driver is busy for {cpu / cluster.now:.2f} of them")


def command(folder: Path, *words: str) -> None:
    """A command as a person runs it, in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(folder)}
    line = [sys.executable, "-m", "sweeper", *words]
    done = subprocess.run(line, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall, peak = time.perf_counter() - began, after.ru_maxrss / 1024
    name = " ".join(words)[:36]
    print(f"{name:<36} {cpu:7.1f} s CPU, {wall:7.1f} s passed, {peak:6.0f} MB (largest so far)", flush=True)
    if done.returncode:
        print(done.stderr.decode()[-500:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--profile", action="store_true", help="where the driver's time goes")
    parser.add_argument("--storage", action="store_true", help="the sweep has a storage")
    parser.add_argument("--mirror", action="store_true", help="write everything to MLflow, in the end")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        points = options.trials // SEEDS
        more = f"storage: {folder / 'storage'}\n" if options.storage else ""
        text = FILE % (points, points) + 'tracking: {uri: "http://127.0.0.1:9"}\n' + more
        (folder / "many.yaml").write_text(text)
        (folder / "noop.py").write_text(TRAINER)
        sys.path.insert(0, str(folder))
        drive(folder / "many.yaml", options.workers, profile)
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        ledger = folder / "results" / "many" / "ledger.jsonl"
        print(f"ledger: {ledger.stat().st_size / 1e6:.1f} MB")
        for words in COMMANDS:
            command(folder, *words)
        if options.mirror:
            store = folder / "mlflow.db"
            command(folder, "sync", "many", "--tracking-uri", f"sqlite:///{store}")
            print(f"MLflow's store: {store.stat().st_size / 1e6:.0f} MB")


COMMANDS: Sequence[tuple[str, ...]] = (
    ("plan", "many.yaml"),
    ("run", "many.yaml", "--runner", "inprocess", "--quiet"),
    ("status", "many"),
    ("export", "many", "--output", "table.csv"),
)


if __name__ == "__main__":
    main()
