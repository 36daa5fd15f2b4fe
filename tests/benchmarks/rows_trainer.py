"""The bundled trainer by itself: one core, seconds of this process, which a busy machine changes less.

torch is imported by the rows that need it, after run.py has said how many threads there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from readings import OURS, AtLeast, AtMost, Found, Row

ALONE = "Limits"
CURVE = "Step time as members grow"


def accuracy(quick: bool) -> Iterator[Found]:
    """Training only: evaluations are looked at, not counted."""
    import cvae_step
    import torch

    torch.set_num_threads(1)
    for seed in range(2 if quick else 5):
        for of, settings in (("", {}), (", Muon", cvae_step.MUON)):
            steps, spent = cvae_step.to_accuracy(settings, seed)
            yield Found(f"one trial, one core: training to task_accuracy >= 0.985, median over seeds{of}", OURS, spent)
            yield Found(f"steps to task_accuracy >= 0.985, median over seeds{of}", OURS, steps, "steps")


def step(quick: bool) -> Iterator[Found]:
    """One member and its baseline: what share of a large product's rate they reach, and what the JSD costs."""
    import cvae_pack
    import cvae_step
    import torch

    torch.set_num_threads(1)
    program, _, _ = cvae_step.alone(cvae_step.JSD, 0)
    flops, device = cvae_pack.step_flops(program) + cvae_pack.baseline_flops(program), torch.device("cpu")
    for _ in range(1 if quick else 5):
        rate = cvae_pack.matrix_rate(device)
        taken = cvae_step.step_time(cvae_step.JSD, 1 if quick else 3)
        yield Found("step of one member", OURS, 1e3 * taken, "ms")
        yield Found("one member's share of the core's sgemm rate", OURS, flops / taken / rate, "%")
        spent = cvae_step.term_times(program)["inter-latent JSD"]
        yield Found("JSD loss, forwards and backwards, share of a step", OURS, spent / taken, "%")


def members(quick: bool) -> Iterator[Found]:
    """All sizes in turn, round after round, so that a busy machine slows all alike; baselines, once per seed, aside."""
    import cvae_pack
    import torch

    from sweeper.cvae.config import build
    from sweeper.cvae.training.cuda_graph import WARM_UP
    from sweeper.cvae.training.program import Program
    from sweeper.cvae.training.step import Stepper

    torch.set_num_threads(1)
    sizes = [1, 2, 4, 8, 16] if quick else [1, 2, 4, 8, 16, 32, 64]
    program = Program.of(build(cvae_pack.JSD | {"train.device": "auto"}))
    device = program.device
    packs = {size: Stepper(program, cvae_pack.members_of(program, size)) for size in sizes}
    for pack in packs.values():
        pack.run(WARM_UP)
    flops, taken = cvae_pack.step_flops(program), {size: list[float]() for size in sizes}
    for _ in range(1 if quick else 5):
        rate = cvae_pack.matrix_rate(device)
        for size in sizes:
            spent = cvae_pack.timed(packs[size], 4 if size > 4 else 16)
            taken[size].append(spent)
            name = f"{size} member{'s' * (size > 1)}"
            yield Found(f"{device.type}: step of the pack", name, 1e3 * spent, "ms")
            yield Found(f"{device.type}: of it a member's share", name, 1e3 * spent / size, "ms")
            yield Found(f"{device.type}: share of the sgemm rate", name, flops * size / spent / rate, "%")
    if device.type == "cuda" and 64 in taken:
        growth = statistics.median(taken[64]) / statistics.median(taken[1])
        yield Found("cuda: step of 64 members over that of one", OURS, growth, "x")


ROWS = [
    Row("accuracy", ALONE, accuracy, {"training to": (AtMost(4, "4 s"),)}),
    Row(
        "step",
        ALONE,
        step,
        {"share of the core's": (AtLeast(0.4, "40 %"),), "JSD loss": (AtMost(0.03, "3 %"),)},
    ),
    Row("members", CURVE, members, {"64 members over": (AtMost(4, "under 4x"),)}),
]
