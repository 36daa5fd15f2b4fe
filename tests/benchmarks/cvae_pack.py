"""How the time of a step grows with the members of a pack, and what share of the device's matrix rate it reaches.

``OMP_NUM_THREADS=1 python tests/benchmarks/cvae_pack.py [--members 1,2,4,8,16,32,64] [--device cpu]``. All
sizes are timed in turn, round after round, so that a busy machine slows all alike; the outcome is in cvae_notes.md.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from sweeper.cvae.config import build
from sweeper.cvae.memory.estimate import EVALUATED
from sweeper.cvae.training import batches, member_state
from sweeper.cvae.training.baseline import BaselineKey, Baselines
from sweeper.cvae.training.cuda_graph import WARM_UP
from sweeper.cvae.training.member_evaluation import evaluate_rows
from sweeper.cvae.training.member_state import BatchedState
from sweeper.cvae.training.program import Program
from sweeper.cvae.training.protocols import RunningMember
from sweeper.cvae.training.step import Stepper, advance

JSD = {"loss.inter_latent_divergence_weight": 1.0}


def members_of(program: Program, count: int) -> BatchedState:
    """So many members at their first step, with seeds of their own."""
    config, members = build(JSD), []
    for seed in range(count):
        one = member_state.member(program, config, seed)
        member_state.load_chunk(program, one, {0: (config, seed, 0)})
        members.append(one)
    return member_state.cat(members)


def clock(device: torch.device) -> float:
    """Seconds: of this process on a CPU, which others may keep busy; of the wall on a GPU, once it is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def timed(stepper: Stepper, steps: int) -> float:
    """Seconds a step."""
    start = clock(stepper.program.device)
    stepper.run(steps)
    return (clock(stepper.program.device) - start) / steps


def matrix_rate(device: torch.device, size: int = 2048) -> float:
    """FLOP/s of a large product in float32, the best of several."""
    a, best = torch.randn(size, size, device=device), 0.0
    for _ in range(8):
        start = clock(device)
        for _ in range(4):
            a @ a
        best = max(best, 4 * 2 * size**3 / (clock(device) - start))
    return best


def baseline_time(program: Program, seeds: int) -> float:
    """Seconds a step of so many baselines side by side: what members with seeds of their own need besides."""
    keys, theirs = [BaselineKey.of(build(JSD), seed) for seed in range(seeds)], Baselines(program)
    theirs.baseline_nll([(key, 0) for key in keys])
    start = clock(program.device)
    theirs.baseline_nll([(key, 1) for key in keys])
    return (clock(program.device) - start) / batches.length(program)


def step_flops(program: Program) -> float:
    """FLOP a step of one member, its baseline aside."""
    with FlopCounterMode(display=False) as counter:
        advance(program, members_of(program, 1))
    return float(counter.get_total_flops())


def baseline_flops(program: Program) -> float:
    """FLOP a step of one baseline."""
    with FlopCounterMode(display=False) as counter:
        Baselines(program).baseline_nll([(BaselineKey.of(build(JSD), 0), 0)])
    return float(counter.get_total_flops()) / batches.length(program)


def evaluation_time(program: Program, members: BatchedState) -> float:
    """Seconds of one evaluation of all members."""
    config = build(JSD | {"train.report_every": 50})
    running = [RunningMember(None, config, seed, step=50) for seed in range(len(members))]  # type: ignore[arg-type]
    rows = list(range(len(members)))
    group = EVALUATED[program.device.type]

    def evaluate() -> None:
        for start in range(0, len(rows), group):
            evaluate_rows(program, members, rows[start : start + group], running[start : start + group])

    evaluate()
    start = clock(program.device)
    evaluate()
    return clock(program.device) - start


def main() -> None:
    """Prints the curve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", default="1,2,4,8,16,32,64")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--no-evaluation", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [int(size) for size in options.members.split(",")]
    program = Program.of(build(JSD | {"train.device": options.device}))
    packs = {size: Stepper(program, members_of(program, size)) for size in sizes}
    own, theirs = step_flops(program), baseline_flops(program)
    for pack in packs.values():
        pack.run(WARM_UP)
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    rates = []
    for _ in range(options.rounds):
        rates.append(matrix_rate(program.device))
        for size in sizes:
            taken[size].append(timed(packs[size], options.steps if size > 4 else 4 * options.steps))
    rate, first = statistics.median(rates), statistics.median(taken[sizes[0]])
    print(
        f"{program.device}: {own / 1e9:.3f} GFLOP a member and step, {theirs / 1e9:.3f} a seed and step, "
        f"sgemm at {rate / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} thread"
    )
    print(
        "members   ms a step   of the first   ms a member   ms a seed's baseline   share of sgemm   ms to evaluate one"
    )
    for size in sizes:
        step, seed = statistics.median(taken[size]), baseline_time(program, size) / size
        evaluation = 0.0 if options.no_evaluation else evaluation_time(program, packs[size].state) / size
        print(
            f"{size:7d} {step * 1e3:11.2f} {step / first:14.2f} {step * 1e3 / size:13.2f} {seed * 1e3:22.2f} "
            f"{(own + theirs) / (step / size + seed) / rate:16.0%} {evaluation * 1e3:20.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
