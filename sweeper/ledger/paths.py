"""Names that become folders: they can neither leave the results folder nor hide in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ALLOWED = "letters, digits, '.', '_', '-' and inner spaces; first a letter, digit or _; at most 100"
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._ -]{0,98}[A-Za-z0-9_-])?")
_RESERVED = ("mlflow.db", "mlartifacts")  # what else lies in the results folder


def is_folder_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def similar_folder_name(name: str) -> str:
    """The nearest name that can be a folder; empty where nothing is left of it."""
    better = re.sub(r"[^A-Za-z0-9._-]+", "-", name[:80])
    better = re.sub(r"-{2,}", "-", better).strip("-. ")
    return better if is_folder_name(better) else ""


@dataclass(frozen=True, slots=True)
class SweepDir:
    """The folder of one sweep; every path below it is made here. `name` was validated: it cannot leave `results`."""

    results: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.results / self.name

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def curves(self) -> Path:
        return self.folder / "curves.jsonl"

    @property
    def spec(self) -> Path:
        return self.folder / "sweep.yaml"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def trial(self, key: str) -> Path:
        return self.folder / "trials" / key

    def patch(self, digest: str) -> Path:
        return self.folder / "patches" / f"{digest}.patch"


def list_sweeps(results: Path) -> list[SweepDir]:
    """The sweeps of a results folder, by name."""
    return [SweepDir(results, path.parent.name) for path in sorted(results.glob("*/ledger.jsonl"))]
