"""What a run is given besides its plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Runner(StrEnum):
    """What runs packs."""

    RAY = "ray"
    INPROCESS = "inprocess"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to a sweep file."""

    results: Path
    runner: Runner
    address: str | None
    max_concurrent: int | None
    take_over: bool = False
    reason: str = ""  # why a claim was changed: goes into the ledger
    extend: bool = False  # take the name of another file, whose trials then leave the tables
