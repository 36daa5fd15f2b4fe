"""Paths in the results folder, none of which leads out of it: neither by a name that becomes a folder nor by a link.

A results folder may come from somebody else. Whatever is read or written in one goes through `inside`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import LedgerError, Problem, UsageError

ALLOWED = "letters, digits, '.', '_', '-' and inner spaces; first a letter, digit or _; at most 100"
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._ -]{0,98}[A-Za-z0-9_-])?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # as a Path has it: s3:/bucket
_RESERVED = ("mlflow.db", "mlartifacts")  # what else lies in the results folder


def is_folder_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def similar_folder_name(name: str) -> str:
    """The nearest name that can be a folder; empty where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name[:80].replace("ß", "ss"))
    better = re.sub(r"[^A-Za-z0-9._-]+", "-", "".join(c for c in plain if not unicodedata.combining(c)))
    better = re.sub(r"-{2,}", "-", better).strip("-. ")
    return better if is_folder_name(better) else ""


def check_local(results: Path) -> None:
    """Refuse a URL as results folder; it would become a local folder named `s3:`. Raises UsageError."""
    if _URL.match(str(results)):
        hint = "give a local folder or a mounted file system, and copy it afterwards (aws s3 sync, rclone): a results "
        hint += "folder can be moved"
        raise UsageError(
            Problem("a results folder cannot be a URL", "", "--results", str(results), "a path, as ./results", hint)
        )


def inside(results: Path, *parts: str) -> Path:
    """A path below a results folder. Raises LedgerError where a symbolic link makes it lead outside of that folder."""
    place = results.joinpath(*parts)
    root, real = os.path.realpath(results), os.path.realpath(place)  # twice as fast as those of pathlib
    if not Path(real).is_relative_to(root):
        hint = "put what it points to in its place, or remove the link; `--results DIR` names another results folder"
        raise LedgerError(Problem("leads out of the results folder", str(place), found=real, hint=hint))
    return place


@dataclass(frozen=True, slots=True)
class SweepDir:
    """The folder of one sweep; every path below it is made here, by `path`, and does not leave `results`."""

    results: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.results / self.name

    def path(self, *parts: str) -> Path:
        """A path below the folder. Raises LedgerError where a link makes it lead outside of the results folder."""
        return inside(self.results, self.name, *parts)

    @property
    def ledger(self) -> Path:
        return self.path("ledger.jsonl")

    @property
    def curves(self) -> Path:
        return self.path("curves.jsonl")

    @property
    def spec(self) -> Path:
        return self.path("sweep.yaml")

    @property
    def lock(self) -> Path:
        return self.path("lock")

    @property
    def live_steps(self) -> Path:
        return self.path("steps.json")

    @property
    def commands(self) -> Path:
        return self.path("commands")

    @property
    def plots(self) -> Path:
        return self.path("plots")

    @property
    def report(self) -> Path:
        return self.path("report.html")

    def trial(self, key: str) -> Path:
        """The folder of a trial, in which a worker writes a log and checkpoints."""
        folder = self.path("trials") / key
        if not os.path.lexists(folder):
            return folder
        for name in ("log.txt", "checkpoints"):
            self.path("trials", key, name)
        return folder

    def log(self, key: str) -> Path:
        return self.path("trials", key, "log.txt")

    def patch(self, digest: str) -> Path:
        return self.path("patches", f"{digest}.patch")


def list_sweeps(results: Path) -> list[SweepDir]:
    """The sweeps of a results folder, by name; without those whose folder or ledger is a link that leads out of it."""
    return [sweep for sweep in _sweeps(results) if not _leads_out(sweep)]


def linked_sweeps(results: Path) -> list[tuple[SweepDir, str]]:
    """The others, of which nothing is read, each with what is wrong with it."""
    return [(sweep, problem) for sweep in _sweeps(results) if (problem := _leads_out(sweep))]


def _leads_out(sweep: SweepDir) -> str:
    """What is wrong with a sweep whose folder or ledger leads out of the results folder; "" for any other."""
    try:
        inside(sweep.results, sweep.name, "ledger.jsonl")
    except LedgerError as error:
        return error.problems[0].message
    return ""


def _sweeps(results: Path) -> list[SweepDir]:
    return [SweepDir(results, path.parent.name) for path in sorted(results.glob("*/ledger.jsonl"))]
