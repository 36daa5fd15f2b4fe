"""Checkpoints and models that no rule keeps: what `sweeper gc` removes.

A rule keeps the checkpoints of trials that may go on (pending, failed, stopped) and, for trials with a result, what
`checkpoints.keep` of the sweep file as last run. Trials that the file no longer lists are kept by none. What
the ledger does not account for stays: folders of trials that it does not know, and, while a damaged line may have
asked for more, trials that no whole line asks for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeper.execution.worker import checkpoints
from sweeper.ledger import lock
from sweeper.ledger.history import read_history, readable
from sweeper.ledger.paths import SweepDir
from sweeper.spec.load import load_or_none
from sweeper.trial import Record


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go of a sweep: files, their bytes, the trials they belong to; `in_use` names who runs the sweep.

    `unknown` trials have checkpoints or models that the ledger does not account for.
    """

    sweep: str
    files: tuple[Path, ...]
    size: int
    trials: int
    in_use: str
    unknown: int


def find(results: Path) -> list[Garbage]:
    """The garbage of every sweep of a results folder that has some, or has files that no ledger accounts for."""
    found = (garbage for _, garbage in readable(results, _of_sweep))
    return [garbage for garbage in found if garbage.files or garbage.unknown]


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
    dropped = history.records.keys() - planned.keys() if not history.is_partial else set()
    files: list[Path] = []
    trials = unknown = 0
    for folder in _folders(sweep.path("trials")):
        unkept = list(_unkept(folder, planned.get(folder.name), keep))
        if folder.name in planned or folder.name in dropped:
            files += unkept
            trials += bool(unkept)
        else:
            unknown += bool(unkept)
    size = sum(path.stat().st_size for path in files)
    return Garbage(sweep.name, tuple(files), size, trials, lock.holder(sweep.lock), unknown)


def _rule(sweep: SweepDir) -> str:
    spec = load_or_none(sweep.spec)
    return spec.checkpoints.keep if spec else "all"  # a file that cannot be read removes nothing


def _folders(place: Path) -> Iterator[Path]:
    """The folders of trials; links are passed over, they could lead anywhere."""
    if place.is_dir() and not place.is_symlink():
        with os.scandir(place) as entries:
            yield from sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _unkept(folder: Path, record: Record | None, keep: str) -> Iterator[Path]:
    """The files of a trial that no rule keeps; None is a trial that the file no longer lists."""
    if record is None:
        keep = "none"
    elif not record.state.is_result:
        keep = "all"
    steps = [] if keep == "none" else checkpoints.steps(folder)[-1 if keep == "last" else 0 :]
    found = [] if (folder / checkpoints.FOLDER).is_symlink() else checkpoints.files(folder, but=steps)
    if keep == "none":
        found += sorted(folder.glob("*.safetensors"))
    yield from (path for path in found if not path.is_symlink())
