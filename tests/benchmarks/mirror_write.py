"""What a trial costs the MLflow mirror: 200 trials of 26 parameters and 10 reports of 5 metrics, into SQLite.

    python tests/benchmarks/mirror_write.py

Wall and CPU time a trial, for single seeds and for groups of four; and a second `sync`, which writes nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sweeper.tracking.database import make_database
from sweeper.trial import Ended, Record, Reported, Started, State, Trial
from tests.tracking.servers import Sweep

TRIALS, PARAMETERS, REPORTS, METRICS = 200, 26, 10, 5


def life(number: int, seed: int) -> Record:
    """A completed trial."""
    base = {f"setting.{index}": index for index in range(PARAMETERS - 2)}
    trial = Trial(f"{100 * number + seed:016x}", f"{number:016x}", seed, {"loss.beta": number}, base, "cvae", "c0de")
    began = 1_700_000_000.0 + number
    record = Record(trial, 1, Started(trial.key, 1, began, "cpu", "here"))
    for step in range(REPORTS):
        metrics = {f"metric.{index}": 0.1 * index + step for index in range(METRICS)}
        record.reports.append(Reported(trial.key, 1, began + step, 10 * step, metrics))
    end = (State.COMPLETED, "", record.reports[-1].metrics, 10 * (REPORTS - 1), 12.0, began, "cpu", "here")
    record.ended = Ended(trial.key, 1, began + 12, *end)
    return record


def main() -> None:
    """Measure and print."""
    for seeds in (1, 4):
        lives = [life(number, seed) for number in range(TRIALS // seeds) for seed in range(seeds)]
        with tempfile.TemporaryDirectory() as folder:
            make_database(Path(folder) / "mlflow.db")
            sweep = Sweep(Path(folder))
            sweep.sync(life(10**6, 0), life(10**6, 1))  # imports, connections
            wall, cpu = time.perf_counter(), time.process_time()
            assert sweep.sync(*lives).is_whole
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            again = time.perf_counter()
            assert sweep.sync(*lives).is_whole
            again = time.perf_counter() - again
        figures = f"{1000 * wall / TRIALS:.1f} ms wall, {1000 * cpu / TRIALS:.1f} ms CPU a trial"
        print(f"{TRIALS} trials, groups of {seeds}: {figures}; again, writing nothing: {again:.2f} s in all")


if __name__ == "__main__":
    main()
