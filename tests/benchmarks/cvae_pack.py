"""How the time of a step grows with the members of a pack, and what share of the device's matrix rate it reaches.

``OMP_NUM_THREADS=1 python tests/benchmarks/cvae_pack.py [--members 1,2,4,8,16,32,64] [--device cpu] [--compile]``. All
sizes are timed in turn, round after round, so that a busy machine slows all alike; the outcome is in cvae_notes.md.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from sweeper.cvae import course, stack
from sweeper.cvae.config import build
from sweeper.cvae.pack import Running, evaluate_rows
from sweeper.cvae.program import Program
from sweeper.cvae.stack import Stack
from sweeper.cvae.step import advance

JSD = {"loss.inter_latent_divergence_weight": 1.0}


def members_of(program: Program, count: int) -> Stack:
    """So many members at their first step, with seeds of their own."""
    config, members = build(JSD), []
    for seed in range(count):
        one = stack.member(program, config, seed)
        stack.load_stretch(program, one, 0, config, seed, 0)
        members.append(one)
    return stack.joined(members)


def wait(program: Program) -> None:
    """Until the device has done what it was asked."""
    if program.device.type == "cuda":
        torch.cuda.synchronize()


def timed(program: Program, members: Stack, steps: int) -> float:
    """Seconds a step."""
    wait(program)
    start = time.process_time()
    for _ in range(steps):
        advance(program, members)
    wait(program)
    return (time.process_time() - start) / steps


def matrix_rate(device: torch.device, size: int = 1024) -> float:
    """FLOP/s of a large product in float32, the best of several."""
    a, best = torch.randn(size, size, device=device), 0.0
    for _ in range(8):
        start = time.process_time()
        product = a @ a
        float(product[0, 0])
        best = max(best, 2 * size**3 / (time.process_time() - start))
    return best


def evaluation_time(program: Program, members: Stack) -> float:
    """Seconds of one evaluation of all members."""
    running = [Running(None, build(JSD), seed) for seed in range(len(members))]  # type: ignore[arg-type]
    rows = list(range(len(members)))
    evaluate_rows(program, members, rows, running)
    start = time.process_time()
    evaluate_rows(program, members, rows, running)
    return time.process_time() - start


def main() -> None:
    """Prints the curve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", default="1,2,4,8,16,32,64")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [int(size) for size in options.members.split(",")]
    program = Program.of(build(JSD | {"train.device": options.device}))
    packs = {size: members_of(program, size) for size in sizes}
    with FlopCounterMode(display=False) as counter:
        advance(program, packs[sizes[0]])
    flops = counter.get_total_flops() / sizes[0]
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    rates = []
    for _ in range(options.rounds):
        rates.append(matrix_rate(program.device))
        for size in sizes:
            taken[size].append(timed(program, packs[size], options.steps if size > 4 else 4 * options.steps))
    rate, first = statistics.median(rates), statistics.median(taken[sizes[0]])
    print(
        f"{program.device}: {flops / 1e9:.3f} GFLOP a member and step, sgemm at {rate / 1e9:.0f} GFLOP/s, "
        f"{torch.get_num_threads()} thread, stretch of {course.length(program)} steps"
    )
    print("members   ms a step   of the first   ms a member   share of sgemm   ms of evaluation, a member")
    for size in sizes:
        step = statistics.median(taken[size])
        print(
            f"{size:7d} {step * 1e3:11.2f} {step / first:14.2f} {step * 1e3 / size:13.2f} "
            f"{flops * size / step / rate:15.0%} {evaluation_time(program, packs[size]) * 1e3 / size:20.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
