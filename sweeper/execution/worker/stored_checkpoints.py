"""Checkpoints in storage that all nodes reach, so that a trial goes on where its first node is no longer.

    URL/SWEEP/trials/KEY/latest.json                    which files are checkpoints, with sizes and SHA-256
    URL/SWEEP/trials/KEY/step-0000000400-ID.safetensors
    URL/SWEEP/trials/KEY/step-0000000400-ID.json

Files are written under new names, and then `latest.json`, which names them: a reader finds whole checkpoints only.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.execution.worker.reasons import log
from sweeper.execution.worker.storage import Storage
from sweeper.execution.worker.uploads import FIRST_WAIT_S, Uploads, one_line
from sweeper.ledger import atomic

VERSION = 1
INDEX = "latest.json"
READ_TRIES, UNREACHABLE_S = 3, 30.0
Entry = dict[str, Any]  # of a checkpoint in the index: its step, and its files by their endings


@dataclass(slots=True)
class _Change:
    """What is to be done for a trial: a checkpoint to add, and the steps whose checkpoints stay.

    `anew` removes what is there first, `ended` also the checkpoint before the last one.
    """

    step: int = -1
    contents: Mapping[str, bytes] = field(default_factory=dict)
    kept: Collection[int] = ()
    anew: bool = False
    ended: bool = False
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])  # the same when it is tried again


class StoredCheckpoints:
    """The checkpoints of a sweep in storage. A thread writes; of each trial only what is newest waits for it.

    No call raises: without the storage a trial trains on, and its checkpoints are those on the disk.
    """

    def __init__(self, storage: Callable[[], Storage]) -> None:
        self._open = storage
        self._storage: Storage | None = None
        self._entries: dict[str, list[Entry]] = {}
        self._names: dict[str, set[str]] = {}  # files that may be there
        self._uploads = Uploads(self._make, "checkpoints")
        self._unreachable_until = 0.0

    def put(self, trial: str, step: int, contents: Mapping[str, bytes], kept: Collection[int]) -> None:
        """Add the checkpoint made after `step`, its files by their endings; those of the steps `kept` stay."""
        self._uploads.add(trial, _Change(step, contents, kept), _merge)

    def retain(self, trial: str, kept: Collection[int], limit_s: float) -> None:
        """The trial has a result: only checkpoints of the steps `kept` stay. Waits for at most `limit_s`."""
        if trial in self._entries or trial in self._uploads:
            self._uploads.add(trial, _Change(kept=kept, ended=True), _merge)
            self.flush(limit_s)

    def forget(self, trial: str) -> None:
        """The trial begins anew."""
        self._uploads.add(trial, _Change(anew=True), _merge)

    def flush(self, limit_s: float) -> bool:
        """Wait until everything is written, at most so long, and not for a storage that does not answer."""
        return self._uploads.flush(limit_s)

    def fetch(self, trial: str, folder: Path, *, every: bool) -> None:
        """Copy the newest whole checkpoint into a folder, or every one, where it is not there already."""
        if trial in self._uploads:
            self.flush(FIRST_WAIT_S)
        if time.monotonic() < self._unreachable_until:  # not once more for each member of a pack
            log("no checkpoints from the storage: it did not answer a moment ago")
            return
        try:
            index = self._retried(lambda: self._reached().read(_path(trial, INDEX)))
            entries = _entries(index)
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError) as error:
            log(f"no checkpoints from the storage: {one_line(error)}")
            if isinstance(error, OSError):
                self._unreachable_until = time.monotonic() + UNREACHABLE_S
            return
        self._entries[trial] = entries
        for entry in reversed(entries):
            is_there = (folder / f"{_stem(entry)}.json").exists()
            if (is_there or self._copied(trial, entry, folder)) and not every:
                return

    def _copied(self, trial: str, entry: Entry, folder: Path) -> bool:
        try:
            files = {end: self._whole(trial, file) for end, file in entry["files"].items()}
            folder.mkdir(parents=True, exist_ok=True)
            for end in sorted(files, key=lambda end: end == ".json"):  # a checkpoint exists once its JSON does
                with atomic.replaced(folder / f"{_stem(entry)}{end}") as temporary:
                    temporary.write_bytes(files[end])
        except (OSError, ValueError, LookupError, TypeError) as error:
            log(f"the checkpoint of step {entry['step']} in the storage cannot be used: {one_line(error)}")
            return False
        return True

    def _whole(self, trial: str, file: Mapping[str, Any]) -> bytes:
        content = self._retried(lambda: self._reached().read(_path(trial, file["name"])))
        if len(content) != file["bytes"] or hashlib.sha256(content).hexdigest() != file["sha256"]:
            raise ValueError(f"{file['name']} is damaged")
        return content

    def _retried(self, read: Callable[[], bytes]) -> bytes:
        for attempt in range(READ_TRIES - 1):
            try:
                return read()
            except FileNotFoundError:
                raise
            except OSError:
                time.sleep(FIRST_WAIT_S * 2**attempt)
        return read()

    def _reached(self) -> Storage:
        if self._storage is None:
            self._storage = self._open()
        return self._storage

    def _make(self, trial: str, change: _Change) -> None:
        storage, names = self._reached(), self._names.setdefault(trial, set())
        if change.anew:
            storage.remove_folder(_path(trial, "")[:-1])
            self._entries[trial] = []
        entries = [one for one in self._entries.get(trial, ()) if one["step"] != change.step]
        if change.contents:
            newer = _entry(change)
            for end, file in newer["files"].items():
                names.add(file["name"])
                storage.write(_path(trial, file["name"]), change.contents[end])
            entries = sorted([*entries, newer], key=lambda one: int(one["step"]))
        # While it trains, the one before stays too: the newest may be damaged where it is kept.
        last = set() if change.ended else {one["step"] for one in entries[-2:]}
        stays = [one for one in entries if one["step"] in last or one["step"] in change.kept]
        if not stays:
            storage.remove_folder(_path(trial, "")[:-1])
            names.clear()
        else:
            storage.write(_path(trial, INDEX), _index(stays))
            used = {file["name"] for one in stays for file in one["files"].values()}
            names |= {file["name"] for one in self._entries.get(trial, ()) for file in one["files"].values()}
            for name in sorted(names - used):
                storage.remove(_path(trial, name))
                names.discard(name)
        self._entries[trial] = stays


def _merge(before: _Change, change: _Change) -> None:
    change.anew |= before.anew
    if change.ended and before.step in change.kept:  # the last one, which is still to be written
        change.step, change.contents, change.name = before.step, before.contents, before.name


@functools.cache
def stored_at(url: str) -> StoredCheckpoints | None:
    """The stored checkpoints of this process at an address; None for ""."""
    return StoredCheckpoints(lambda: Storage.at(url)) if url else None


def remove_ended(storage: Storage, trials: Collection[str]) -> None:
    """Remove what is stored of these trials, which ended while the storage did not answer. Raises OSError."""
    for trial in storage.folders("trials"):
        if trial in trials:
            storage.remove_folder(_path(trial, "")[:-1])


def _path(trial: str, name: str) -> str:
    return f"trials/{trial}/{name}"


def _stem(entry: Entry) -> str:
    return f"step-{int(entry['step']):010d}"


def _entry(change: _Change) -> Entry:
    stem = f"step-{change.step:010d}-{change.name}"
    files = {
        end: {"name": f"{stem}{end}", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for end, content in change.contents.items()
    }
    return {"step": change.step, "files": files}


def _index(entries: list[Entry]) -> bytes:
    return json.dumps({"version": VERSION, "checkpoints": entries}).encode()


def _entries(content: bytes) -> list[Entry]:
    """The checkpoints of an index. Raises ValueError, LookupError or TypeError for what is none."""
    index = json.loads(content)
    if index["version"] != VERSION:
        raise ValueError(f"version {index['version']}")
    for entry in index["checkpoints"]:
        if entry["files"].keys() != {".safetensors", ".json"} or not isinstance(entry["step"], int):
            raise ValueError("no index of checkpoints")
        if any("/" in str(file["name"]) for file in entry["files"].values()):  # nothing but files of this trial
            raise ValueError("a name that leads elsewhere")
    return list(index["checkpoints"])
