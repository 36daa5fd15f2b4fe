"""The peak memory of trainings of the bundled trainer, next to the estimate by which those that do not fit are refused.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.cvae_memory [--only NAME]

Each row is a process of its own: four steps and an evaluation; memory is what the peak of the resident set rises by
over that after torch is imported and has computed something. Tasks with a vocabulary are files of random tokens.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from sweeper.cvae.config import build
from sweeper.cvae.memory.estimate import estimate_memory
from sweeper.cvae.training.pack import train_pack
from tests.cvae.training.packs import SMALL, Trial, Waiting

ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "default": ({}, 1),
    "default, pack of 4": ({}, 4),
    "sort_trace": ({"task.name": "sort_trace"}, 1),
    "V 200, T 20, B 128": ({"sizes": [200, 20], "train.test_prompts": 32}, 1),
    "V 2000, T 64, B 32": ({"sizes": [2000, 64], "train.batch_size": 32, "train.test_prompts": 8}, 1),
    "the same, pack of 2": ({"sizes": [2000, 64], "train.batch_size": 32, "train.test_prompts": 8}, 2),
    "the same, 40 prompts evaluated": ({"sizes": [2000, 64], "train.batch_size": 32, "train.test_prompts": 40}, 1),
    "V 8000, T 128, B 8": ({"sizes": [8000, 128], "train.batch_size": 8, "train.test_prompts": 2}, 1),
    "the same, in 4 parts": (
        {
            "sizes": [8000, 128],
            "train.batch_size": 8,
            "train.gradient_accumulation_steps": 4,
            "train.test_prompts": 1,
        },
        1,
    ),
    "V 2000, T 64, B 32 in 4 parts": (
        {
            "sizes": [2000, 64],
            "train.batch_size": 32,
            "train.gradient_accumulation_steps": 4,
            "train.test_prompts": 1,
        },
        1,
    ),
    "T 256, width 256, depth 4, B 16": (
        {"sizes": [200, 256], "train.batch_size": 16, "train.test_prompts": 2, "model.width": 256, "model.depth": 4},
        1,
    ),
    "T 512, depth 2, B 4": (
        {"sizes": [200, 512], "train.batch_size": 4, "train.test_prompts": 2, "model.depth": 2},
        1,
    ),
    "2048 hidden units, T 32, B 32": (
        {"sizes": [200, 32], "train.batch_size": 32, "train.test_prompts": 8, "model.hidden": 2048},
        1,
    ),
    "width 1024, depth 6, T 32, B 4": (
        {"sizes": [200, 32], "train.batch_size": 4, "train.test_prompts": 8, "model.width": 1024, "model.depth": 6},
        1,
    ),
}
EXAMPLES, PROMPT_TOKENS = 400, 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        print(json.dumps(measured(*ROWS[given.row])))
        return
    print("| training | estimate | measured | ratio |\n| --- | ---: | ---: | ---: |")
    for name in [given.only] if given.only else ROWS:
        command = [sys.executable, "-m", "tests.benchmarks.cvae_memory", "--row", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        estimate, peak = json.loads(done.stdout.splitlines()[-1])
        print(f"| {name} | {estimate / 1e6:.0f} MB | {peak / 1e6:.0f} MB | {estimate / peak:.2f} |", flush=True)


def measured(changes: dict[str, Any], members: int) -> tuple[float, float]:
    """The estimate and the measured peak of a training, bytes."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        params: dict[str, Any] = {"train.steps": 4, "train.report_every": 4} | changes
        if sizes := params.pop("sizes", None):
            params |= {"task.name": "file", "task.path": str(random_tokens(Path(folder), *sizes))}
        matrix = torch.randn(64, 64, requires_grad=True)
        torch.autograd.backward((matrix @ matrix).log_softmax(-1).sum())
        before = peak_bytes()
        SMALL.clear()
        trials: list[Any] = [Trial(params | {"seed": seed}) for seed in range(members)]  # type: ignore[no-untyped-call]
        train_pack(Waiting(trials))  # type: ignore[no-untyped-call]
        assert all(trial.final for trial in trials), [trial.error for trial in trials]
        return estimate_memory(build(params), members).total, peak_bytes() - before


def random_tokens(folder: Path, vocabulary: int, length: int) -> Path:
    """A file of prompts, each with a target of ``length`` - 1 tokens that take the whole vocabulary in turn."""
    draw, path, written = random.Random(0), folder / "data.jsonl", 0
    with path.open("w") as file:
        for _ in range(EXAMPLES):
            prompt = [draw.randrange(vocabulary) for _ in range(PROMPT_TOKENS)]
            target = [(written * 7919 + place) % vocabulary for place in range(length - 1)]
            file.write(json.dumps({"prompt": prompt, "target": target}) + "\n")
            written += length
    return path


def peak_bytes() -> float:
    """The most memory this process had so far."""
    return 1024 * float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
