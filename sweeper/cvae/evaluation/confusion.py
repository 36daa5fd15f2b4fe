"""The two small tables a trial leaves behind: what the router sees in a strategy, and what each latent writes.

Shapes: K latents, S strategies.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sweeper.cvae.evaluation.evaluate import Evaluation


def write_tables(directory: Path, strategies: Sequence[str], evaluation: Evaluation) -> None:
    """Writes ``confusion.csv`` (each strategy's examples by latent) and ``forced.csv`` (what each latent writes).

    Writes nothing where no strategies are known.
    """
    if not strategies:
        return
    directory.mkdir(parents=True, exist_ok=True)
    confusion_KS = evaluation.confusion_KS / evaluation.confusion_KS.sum(0, keepdim=True)
    _write(directory / "confusion.csv", strategies, confusion_KS.tolist())
    forced_KS = evaluation.forced_KS / evaluation.forced_KS.sum(1, keepdim=True)
    _write(directory / "forced.csv", [*strategies, "(none)"], forced_KS.tolist())


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["z", *columns])
        writer.writerows([k, *(f"{share:.4f}" for share in row)] for k, row in enumerate(rows))
