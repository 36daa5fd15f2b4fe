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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sweeper.execution.worker.reasons import log
from sweeper.execution.worker.storage import Storage
from sweeper.execution.worker.uploads import FIRST_WAIT_S, Uploads, one_line
from sweeper.ledger import atomic

VERSION = 1
INDEX = "latest.json"
ENDINGS = {".safetensors", ".json"}
READ_TRIES, UNREACHABLE_S = 3, 30.0


@dataclass(frozen=True, slots=True)
class _StoredFile:
    """A file as the index has it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A checkpoint in the index, its files by their endings."""

    step: int
    files: Mapping[str, _StoredFile]

    @property
    def names(self) -> set[str]:
        return {file.name for file in self.files.values()}


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

    def entry(self) -> _Entry:
        """The checkpoint to add, as the index names it."""
        begin = f"{stem(self.step)}-{self.name}"
        files = {end: _described(f"{begin}{end}", content) for end, content in self.contents.items()}
        return _Entry(self.step, files)


class StoredCheckpoints:
    """The checkpoints of a sweep in storage. A thread writes; of each trial only what is newest waits for it.

    No call raises: without the storage a trial trains on, and its checkpoints are those on the disk.
    """

    def __init__(self, storage: Callable[[], Storage]) -> None:
        self._open = storage
        self._storage: Storage | None = None
        self._entries: dict[str, list[_Entry]] = {}
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
            entries = _entries(self._read(trial, INDEX))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log(f"no checkpoints from the storage: {one_line(error)}")
            if isinstance(error, OSError):
                self._unreachable_until = time.monotonic() + UNREACHABLE_S
            return
        self._entries[trial] = entries
        self._names.setdefault(trial, set()).update(*(entry.names for entry in entries))
        for entry in reversed(entries):
            is_there = (folder / f"{stem(entry.step)}.json").exists()
            if (is_there or self._copied(trial, entry, folder)) and not every:
                return

    def _copied(self, trial: str, entry: _Entry, folder: Path) -> bool:
        try:
            contents = {end: self._whole(trial, file) for end, file in entry.files.items()}
            folder.mkdir(parents=True, exist_ok=True)
            for end in sorted(contents, key=lambda end: end == ".json"):  # a checkpoint exists once its JSON does
                with atomic.replaced(folder / f"{stem(entry.step)}{end}") as temporary:
                    temporary.write_bytes(contents[end])
        except (OSError, ValueError) as error:
            log(f"the checkpoint of step {entry.step} in the storage cannot be used: {one_line(error)}")
            return False
        return True

    def _whole(self, trial: str, file: _StoredFile) -> bytes:
        content = self._read(trial, file.name)
        if _described(file.name, content) != file:
            raise ValueError(f"{file.name} is damaged")
        return content

    def _read(self, trial: str, name: str) -> bytes:
        for attempt in range(READ_TRIES - 1):
            try:
                return self._reached().read(_path(trial, name))
            except FileNotFoundError:
                raise
            except OSError:
                time.sleep(FIRST_WAIT_S * 2**attempt)
        return self._reached().read(_path(trial, name))

    def _reached(self) -> Storage:
        if self._storage is None:
            self._storage = self._open()
        return self._storage

    def _make(self, trial: str, change: _Change) -> None:
        storage, names = self._reached(), self._names.setdefault(trial, set())
        if change.anew:
            storage.remove_folder(_folder(trial))
            self._entries[trial] = []
        entries = [one for one in self._entries.get(trial, ()) if one.step != change.step]
        if change.contents:
            newer = change.entry()
            names |= newer.names
            for end, file in newer.files.items():
                storage.write(_path(trial, file.name), change.contents[end])
            entries = sorted([*entries, newer], key=lambda one: one.step)
        # While it trains, the one before stays too: the newest may be damaged where it is kept.
        last = set() if change.ended else {one.step for one in entries[-2:]}
        stays = [one for one in entries if one.step in last or one.step in change.kept]
        if not stays:
            storage.remove_folder(_folder(trial))
            names.clear()
        else:
            storage.write(_path(trial, INDEX), _index(stays))
            for name in sorted(names.difference(*(one.names for one in stays))):
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
            storage.remove_folder(_folder(trial))


def stem(step: int) -> str:
    """How the names of a checkpoint's files begin."""
    return f"step-{step:010d}"


def _folder(trial: str) -> str:
    return f"trials/{trial}"


def _path(trial: str, name: str) -> str:
    return f"{_folder(trial)}/{name}"


def _index(entries: Sequence[_Entry]) -> bytes:
    return json.dumps({"version": VERSION, "checkpoints": [asdict(entry) for entry in entries]}).encode()


def _described(name: str, content: bytes) -> _StoredFile:
    return _StoredFile(name, len(content), hashlib.sha256(content).hexdigest())


def _entries(content: bytes) -> list[_Entry]:
    """The checkpoints of an index. Raises ValueError for what is none."""
    try:
        index = json.loads(content)
        if index["version"] != VERSION:
            raise ValueError(f"version {index['version']}")
        files = [{end: _StoredFile(**file) for end, file in one["files"].items()} for one in index["checkpoints"]]
        entries = [_Entry(int(one["step"]), some) for one, some in zip(index["checkpoints"], files, strict=True)]
        if any("/" in name for one in entries for name in one.names):  # nothing but files of this trial
            raise ValueError("a name that leads elsewhere")
    except (LookupError, TypeError, AttributeError):
        raise ValueError("no index of checkpoints") from None
    if any(one.files.keys() != ENDINGS for one in entries):
        raise ValueError("no index of checkpoints")
    return entries
