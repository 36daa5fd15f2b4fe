"""Checkpoints and models that no rule keeps: what `sweeper gc` removes.

A rule keeps the checkpoints of trials that may go on (pending, failed) and, for trials with a result, what
`checkpoints.keep` of the sweep file as last run says. Trials that the file no longer asks for are kept by none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeper.execution.worker import checkpoints
from sweeper.ledger import lock
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir, list_sweeps
from sweeper.spec.load import load_or_none
from sweeper.trial import Record


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go of a sweep: files, their bytes, the trials they belong to; `in_use` names who runs the sweep."""

    sweep: str
    files: tuple[Path, ...]
    size: int
    trials: int
    in_use: str


def find(results: Path) -> list[Garbage]:
    """The garbage of every sweep of a results folder that has some."""
    found = [_of_sweep(sweep) for sweep in list_sweeps(results)]
    return [garbage for garbage in found if garbage.files]


def remove(garbage: Garbage) -> None:
    """Remove it, and the folders that are empty then."""
    for path in garbage.files:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in garbage.files}:
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()


def _of_sweep(sweep: SweepDir) -> Garbage:
    history, keep = read_history(sweep), _rule(sweep)
    planned = {record.trial.key: record for record in history.planned()}
    files: list[Path] = []
    trials = 0
    for folder in _folders(sweep.path("trials")):
        unkept = list(_unkept(folder, planned.get(folder.name), keep))
        files += unkept
        trials += bool(unkept)
    return Garbage(
        sweep.name, tuple(files), sum(path.stat().st_size for path in files), trials, lock.holder(sweep.lock)
    )


def _rule(sweep: SweepDir) -> str:
    spec = load_or_none(sweep.spec)
    return spec.checkpoints.keep if spec else "all"  # a file that cannot be read removes nothing


def _folders(place: Path) -> Iterator[Path]:
    """The folders of trials; links are passed over, they could lead anywhere."""
    if place.is_dir() and not place.is_symlink():
        with os.scandir(place) as entries:
            yield from sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _unkept(folder: Path, record: Record | None, keep: str) -> Iterator[Path]:
    """The files of a trial that no rule keeps; None is a trial that the file no longer asks for."""
    done = record is not None and record.state.is_result
    steps = checkpoints.steps(folder)
    if record is None or (done and keep == "none"):
        steps = []
    elif done and keep == "last":
        steps = steps[-1:]
    found = [] if (folder / checkpoints.FOLDER).is_symlink() else checkpoints.files(folder, but=steps)
    if record is None or (done and keep == "none"):
        found += sorted(folder.glob("*.safetensors"))
    yield from (path for path in found if not path.is_symlink())
