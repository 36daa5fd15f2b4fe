"""Whole sweeps, beside what a user would pick instead."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contest import CONTENDERS, CORES, Contest, Finish, hold, largest_difference
from readings import OURS, SAID, AtMost, Faster, Found, Row

BESIDE = "Side by side"
SLOW = ("Ray Tune", "Ray Tune, reused workers")  # take minutes: once
RIVALS = [name for name in CONTENDERS if not name.startswith(OURS)]
WEIGHTS: Mapping[str, Sequence[float]] = {
    "loss.beta": [0.5, 1],
    "loss.router_marginal_kl_to_prior_weight": [0, 1],
    "loss.inter_latent_divergence_weight": [0, 1],
}
SAME = 1e-4  # what rounding may do to a metric; a CPU gives the same bits


def noop(quick: bool) -> Iterator[Found]:
    """Trials that do nothing: what is left is what a tool costs."""
    count, rounds = (20, 1) if quick else (200, 3)
    trials = Contest("noop", {"x": list(range(1, count + 1))})
    for turn in range(rounds):
        for name in CONTENDERS:
            if turn == 0 or name not in SLOW:
                yield Found(f"{count} no-op trials, ledger and MLflow included", name, hold(trials, name).seconds)


def grid(quick: bool) -> Iterator[Found]:
    """The real trainer, one core per worker; what each contender's models can do must be the same."""
    steps, seeds = (60, [0]) if quick else (300, [0, 1, 2])
    trials = Contest("cvae", _trainings(steps, seeds))
    title = f"{8 * len(seeds)} trials of the real trainer, {steps} steps, {CORES} cores"
    yield from _train(trials, title, [OURS, *RIVALS])


def gpu(quick: bool) -> Iterator[Found]:
    """The real trainer on one large GPU, shared by eight workers of each rival."""
    import torch

    seeds = list(range(4 if quick else 32))
    title = f"{8 * len(seeds)} trials of the real trainer, 300 steps, one GPU"
    if not torch.cuda.is_available():
        yield Found(f"{title}: no GPU here", OURS, 0, SAID)
        return
    trials = Contest("cvae", _trainings(300, seeds), workers=8, gpu=1 / 8)
    for found in _train(trials, title, [OURS, *RIVALS[:1], *RIVALS[2:]] if quick else [OURS, *RIVALS]):
        yield found
        if found.contender == OURS and found.unit == "s":
            yield from _rate(title, len(trials.points) * 300 / found.value)


def first_step(quick: bool) -> Iterator[Found]:
    """From the command to the first report, after one step and one evaluation; not the first time on this machine."""
    trial = Contest("cvae", {"train.steps": [2], "train.report_every": [1], "seed": [0]}, workers=1)
    with tempfile.TemporaryDirectory(prefix="sweeper-bench-") as cache:
        hold(trial, OURS, Path(cache))
        for _ in range(1 if quick else 3):
            for name in (OURS, "sweeper in-process", "Ray Tune", "Optuna pool"):
                first = hold(trial, name, Path(cache)).first_report
                yield Found("from the command to the first report of the real trainer, warm", name, first)


def _trainings(steps: int, seeds: Sequence[int]) -> dict[str, Sequence[float]]:
    return {**WEIGHTS, "seed": [*seeds], "train.steps": [steps], "train.report_every": [min(steps, 100)]}


def _train(trials: Contest, title: str, names: Sequence[str]) -> Iterator[Found]:
    finishes: list[Finish] = []
    for name in names:
        finishes.append(hold(trials, name))
        yield Found(f"{title}, wall time", name, finishes[-1].seconds)
    yield Found(f"{title}, largest difference of a final metric", OURS, largest_difference(finishes), "")


def _rate(title: str, member_steps_per_s: float) -> Iterator[Found]:
    """The products of the steps alone, evaluations not counted, against a large product's rate."""
    import torch
    from cvae_pack import JSD, matrix_rate, step_flops

    from sweeper.cvae.config import build
    from sweeper.cvae.training.program import Program

    rate = step_flops(Program.of(build(JSD | {"train.device": "cpu"}))) * member_steps_per_s
    yield Found(f"{title}, model TFLOP/s", OURS, rate / 1e12, "TFLOP/s")
    yield Found(f"{title}, share of the device's matrix rate", OURS, rate / matrix_rate(torch.device("cuda")), "%")


EQUAL = {"difference": (AtMost(SAME, "the same metrics"),)}
ROWS = [
    Row(
        "noop",
        BESIDE,
        noop,
        {
            "no-op": (
                Faster(10, "10x faster than Ray Tune", "Ray Tune"),
                Faster(2, "2x with reused workers", "Ray Tune, reused workers"),
                Faster(1, "not slower than Optuna's pool", "Optuna pool"),
            )
        },
    ),
    Row("grid", BESIDE, grid, {"wall time": (Faster(1.5, "1.5x faster than the best rival"),), **EQUAL}),
    Row("gpu", BESIDE, gpu, {"wall time": (Faster(20, "20x faster than the best rival"),)}),
    Row("first-step", BESIDE, first_step, {"first report": (AtMost(6, "6 s"),)}),
]
