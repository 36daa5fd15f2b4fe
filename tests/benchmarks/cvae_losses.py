"""Time and peak memory of the inter-latent JSD on real vocabularies: the plain form, in chunks, and from hidden states.

    python -m tests.benchmarks.cvae_losses [--device cuda] [--batch 1] [--width 64]

Each cell is a process of its own: forward and backward twice, the second is timed; memory is what the peak of the
resident set (on a GPU, of the allocator) rises by over that before inputs are made, inputs and their gradients
included: logits [B,K,T,V] for the first two, hidden states and head for the third. One thread. Plain and chunked forms
that would need more than what is free are not started ("does not fit").
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from sweeper.cvae import losses

FORMS = {"plain": 7, "chunks": 2.1, "hidden": 0.0}  # tensors of the size of the logits that each holds at once
VOCABULARIES, LATENTS, POSITIONS = (8_000, 32_000, 128_000), (4, 8, 16), (128, 512)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    given = parser.parse_args()
    if given.cell:
        form, (v, k, t) = given.cell[0], map(int, given.cell[1:])
        print(json.dumps(measure(form, v, k, t, given.batch, given.width, given.device)))
        return
    print("| V | K | T | plain | chunks | from hidden states |\n| ---: | ---: | ---: | ---: | ---: | ---: |")
    for v, k, t in itertools.product(VOCABULARIES, LATENTS, POSITIONS):
        cells = [cell(form, v, k, t, given) for form in FORMS]
        print(f"| {v} | {k} | {t} | {' | '.join(cells)} |", flush=True)


def cell(form: str, v: int, k: int, t: int, given: argparse.Namespace) -> str:
    """One cell of the table, measured in a child process."""
    if FORMS[form] * 4 * given.batch * k * t * v > free_bytes(given.device):
        return "does not fit"
    command = [sys.executable, "-m", "tests.benchmarks.cvae_losses", "--cell", form, *map(str, (v, k, t))]
    command += ["--device", given.device, "--batch", str(given.batch), "--width", str(given.width)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return "failed"
    seconds, peak = json.loads(done.stdout)
    return f"{seconds:.3g} s, {peak / 1e6:.0f} MB"


def free_bytes(device: str) -> float:
    """What can be used."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return 1024 * float(fields["MemAvailable"].split()[0])


def measure(form: str, v: int, k: int, t: int, batch: int, width: int, device: str) -> tuple[float, float]:
    """Seconds of a forward and backward pass, and bytes."""
    torch.set_num_threads(1)
    before = peak_bytes(device)
    baseline, mask = torch.ones(batch, t, device=device), torch.ones(batch, t, device=device)
    states = torch.empty(batch, k, t, width if form == "hidden" else v, device=device).normal_().requires_grad_()
    head = (torch.randn(v, width, device=device) / width**0.5).requires_grad_()

    def loss() -> torch.Tensor:
        if form == "hidden":
            return losses.inter_latent_jsd_from_hidden(states, head, baseline, mask)[0]
        if form == "chunks":
            return losses.inter_latent_jsd_loss(states, baseline, mask)[0]
        jsd = losses.inter_latent_jsd(losses.log_probabilities(states))
        return -losses.weighted_mean(jsd, losses.token_weights(baseline, mask), mask)

    for _ in range(2):
        states.grad = head.grad = None
        began = time.perf_counter()
        torch.autograd.backward(loss())
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return seconds, peak_bytes(device) - before


def peak_bytes(device: str) -> float:
    """The most memory this process had so far."""
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return 1024 * float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
