"""Whole packs on a GPU: throughput, and the final metrics in float32, TF32 and bf16, with and without torch.compile.

``python tests/benchmarks/cvae_gpu.py [--members 64] [--steps 1200] [--variants float32,tf32,bf16,compile]``. Each
variant trains the same seeds; the outcome is in cvae_notes.md.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import torch

from sweeper.cvae.objective import step_loss
from sweeper.cvae.training import cuda_graph, member_evaluation, pack
from sweeper.cvae.training.baseline import baselines

SHOWN = ("task_accuracy", "nll", "posterior_entropy", "alignment", "diagnostics/inter_latent_jsd/weighted_mean")


class Trial:
    """A member that remembers how it ended."""

    directory = checkpoint = None

    def __init__(self, params: Mapping[str, object]) -> None:
        self.params, self.final = params, dict[str, float]()

    def progress(self, step: int) -> None:
        """No one watches."""

    def report(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Goes on."""
        return True

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Keeps the metrics."""
        self.final = dict(metrics)

    def fail(self, error: Exception) -> None:
        """None should."""
        raise error


class Waiting:
    """All trials at once, as far as the size allows."""

    def __init__(self, trials: list[Trial], size: int | None) -> None:
        self.trials, self.size = trials, size

    def join(self, count: int) -> list[Trial]:
        """The next ones."""
        joined, self.trials = self.trials[:count], self.trials[count:]
        return joined

    def give_back(self, members: Any) -> None:
        """Later."""
        self.trials += list(members)


@contextlib.contextmanager
def variant(name: str) -> Iterator[None]:
    """Changes how products are computed, for a while."""
    loss: Callable[..., Any] = step_loss
    if "bf16" in name:

        def loss(*given: Any) -> Any:
            with torch.autocast("cuda", torch.bfloat16):
                return step_loss(*given)

    if "compile" in name:
        loss = torch.compile(loss, dynamic=False)
    baselines.cache_clear()  # what another variant computed
    tf32 = cuda_graph.tf32 if "tf32" in name else contextlib.nullcontext
    with mock.patch.object(cuda_graph, "tf32", tf32), mock.patch.object(pack, "loss_for", return_value=loss):
        yield


def main() -> None:
    """Prints a line a variant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--variants", default="float32,tf32,bf16,compile,compile-tf32")
    parser.add_argument("--jsd", type=float, default=1.0)
    options = parser.parse_args()
    for name in options.variants.split(","):
        params = {
            "train.steps": options.steps,
            "train.report_every": 300,
            "loss.inter_latent_divergence_weight": options.jsd,
        }
        trials = [Trial(params | {"seed": seed}) for seed in range(options.members)]
        torch.cuda.reset_peak_memory_stats()
        evaluating: list[float] = []
        evaluate_rows = member_evaluation.evaluate_rows

        def timed(*given: Any, evaluate_rows: Any = evaluate_rows, evaluating: list[float] = evaluating) -> Any:
            torch.cuda.synchronize()
            start = time.perf_counter()
            found = evaluate_rows(*given)
            evaluating.append(time.perf_counter() - start)
            return found

        with variant(name), mock.patch.object(pack, "evaluate_rows", timed):
            start = time.perf_counter()
            pack.train_pack(Waiting(list(trials), options.size))
            spent = time.perf_counter() - start
        shown = []
        for metric in SHOWN:
            values = [trial.final[metric] for trial in trials]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            shown.append(f"{metric.rpartition('/')[2]} {statistics.mean(values):.4f}+-{spread:.4f}")
        print(
            f"{name:14} {options.members} members in packs of {options.size} {spent:7.1f} s, "
            f"evaluation {sum(evaluating):5.1f} s, peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB; "
            + ", ".join(shown),
            flush=True,
        )


if __name__ == "__main__":
    main()
