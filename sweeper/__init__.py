"""Sweep the loss weights of a generative model, and say afterwards, with evidence, what they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.analysis.sweep_results import SweepResults

__version__ = "0.1.0"
__all__ = ["load_results"]


def load_results(folder: str | Path) -> SweepResults:
    """The results of one sweep, for a notebook: `load_results("results/grid").configs` is a pandas data frame.

    `folder` is RESULTS/NAME. `.trials`, `.configs` and `.curves` are the tables that `sweeper export` writes, each read
    from the ledger when it is first asked for. Raises UsageError where there is no such sweep.
    """
    from sweeper.analysis.sweep_results import load_results  # pandas takes half a second, which only this needs

    return load_results(Path(folder))
