"""Half the steps with Muon against the default AdamW: metrics at the end over seeds, and the time of a training.

``OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/cvae_optimizers.py [--seeds 10] [TASK ...]`` trains every seed
of one task and optimizer as one pack and prints a row for each, as cvae_notes.md has them. A row takes minutes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping

import torch

from sweeper.cvae.training.baseline import baselines
from sweeper.cvae.training.pack import train_pack
from tests.cvae.training.packs import Trial, Waiting

SUM = {"task.name": "ordered_sum", "train.steps": 2000}
DETOUR = {"task.name": "detour", "task.modulus": 16, "train.steps": 1200}
TASKS: dict[str, dict[str, object]] = {
    "operator_order": {"train.steps": 1200},
    "detour_marker": {**DETOUR, "task.reveal": "marker"},
    "detour_implicit": {**DETOUR, "task.reveal": "implicit"},
    "sum_position": {**SUM, "task.emit": "position"},
    "sum_value": {**SUM, "task.emit": "value"},
}
SHOWN = ("task_accuracy", "alignment", "posterior_entropy", "nll")
MUON = {"train.optimizer": "muon", "train.learning_rate": 0.015}


class Whole(Trial):
    """One of full size, that reports at its end."""

    def __init__(self, params: Mapping[str, object]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.params = {**params, "train.device": "cpu", "train.report_every": 10_000}


def trained(settings: Mapping[str, object], seeds: int) -> tuple[list[dict[str, float]], float]:
    """The final metrics of each seed, and the CPU seconds of a training."""
    baselines.cache_clear()
    trials, start = [Whole({**settings, "seed": seed}) for seed in range(seeds)], time.process_time()
    train_pack(Waiting(trials))  # type: ignore[no-untyped-call]
    return [trial.final for trial in trials], (time.process_time() - start) / seeds


def row(task: str, jsd: float, name: str, settings: Mapping[str, object], seeds: int) -> str:
    """The settings, means (of alignment also each seed), the least accuracy, and seconds."""
    finals, seconds = trained({"loss.inter_latent_divergence_weight": jsd, **settings}, seeds)
    means = " | ".join(f"{statistics.mean(final[metric] for final in finals):.3f}" for metric in SHOWN)
    least = min(final["task_accuracy"] for final in finals)
    aligned = " ".join(f"{final['alignment']:.2f}" for final in finals)
    shown = f"{name}, {settings['train.steps']} steps"
    return f"| {task} | {jsd:g} | {shown} | {means} | {least:.3f} | {aligned} | {seconds:.1f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}; without: all")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jsd", type=float, nargs="*", default=[1.0])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    head = ("task", "JSD", "optimizer", *SHOWN, "least accuracy", "alignment of each seed", "CPU s a training")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
    for task in asked.tasks or TASKS:
        usual = TASKS[task]
        half = {**usual, **MUON, "train.steps": int(str(usual["train.steps"])) // 2}
        for jsd in asked.jsd:
            for name, settings in (("adamw", usual), ("muon", half)):
                print(row(task, jsd, name, settings, asked.seeds), flush=True)


if __name__ == "__main__":
    main()
