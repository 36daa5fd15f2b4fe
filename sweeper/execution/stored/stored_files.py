"""The files of a results folder in storage, in pieces, so that of a ledger only what is new is written.

    URL/SWEEP/ledger/index.json                 which pieces make up which file, with sizes and SHA-256
    URL/SWEEP/ledger/ledger.jsonl-0000000-ID    the first piece of a file

Pieces are written under new names, and then the index, which names them: a reader finds one whole state.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sweeper.execution.worker.storage import Storage

VERSION = 1
FOLDER, INDEX = "ledger", "index.json"
PIECE_BYTES = 2**20
APPENDED = ".jsonl"  # files that are only added to: their earlier pieces stay as they are
TRIES = 3  # a reader may find an index whose pieces have just been replaced
Pieces = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Change:
    pieces: Pieces
    written: Mapping[str, bytes]  # of them, those that are new


class StoredFiles:
    """What a driver writes. Every method raises OSError where the storage does not answer, or refuses."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.files = _index(storage)

    def copy(self, folder: Path, lengths: Mapping[str, int]) -> None:
        """Make the storage hold these files of a folder, each up to its length; others that it holds stay."""
        changes = {name: self._change(folder / name, name, length) for name, length in lengths.items()}
        changes = {name: one for name, one in changes.items() if one.pieces != self.files.get(name)}
        if not changes:
            return
        for change in changes.values():
            for name, content in change.written.items():
                self.storage.write(f"{FOLDER}/{name}", content)
        files = self.files | {name: change.pieces for name, change in changes.items()}
        index = json.dumps({"version": VERSION, "files": files})
        self.storage.write(f"{FOLDER}/{INDEX}", index.encode())
        replaced, self.files = _names(self.files) - _names(files), files
        for name in sorted(replaced):
            self.storage.remove(f"{FOLDER}/{name}")

    def tidy(self) -> None:
        """Remove pieces that no index names: those of a driver that died while it wrote."""
        for name in set(self.storage.names(FOLDER)) - _names(self.files) - {INDEX}:
            self.storage.remove(f"{FOLDER}/{name}")

    def length(self, name: str) -> int:
        """How much of a file is stored, in bytes."""
        return sum(int(piece["bytes"]) for piece in self.files.get(name, ()))

    def holds(self, content: bytes, name: str) -> bool:
        """Whether what is stored of a file is the beginning of `content`."""
        stored, start = self.files.get(name, []), 0
        for piece in stored:
            if hashlib.sha256(content[start : start + piece["bytes"]]).hexdigest() != piece["sha256"]:
                return False
            start += piece["bytes"]
        return start <= len(content)

    def _change(self, path: Path, name: str, length: int) -> _Change:
        known = self.files.get(name, [])
        stays = [one for one in known if one["bytes"] == PIECE_BYTES] if name.endswith(APPENDED) else []
        start = PIECE_BYTES * len(stays)
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(length - start)
        written: dict[str, bytes] = {}
        pieces = list(stays)
        for offset in range(0, len(content), PIECE_BYTES):
            part = content[offset : offset + PIECE_BYTES]
            sha = hashlib.sha256(part).hexdigest()
            same = next((one for one in known if one["sha256"] == sha and one not in pieces), None)
            stored = f"{name.replace('/', '-')}-{(start + offset) // PIECE_BYTES:07d}-{uuid.uuid4().hex[:12]}"
            pieces.append(same or {"name": stored, "bytes": len(part), "sha256": sha})
            if same is None:
                written[stored] = part
        return _Change(pieces, written)


def read_files(storage: Storage) -> dict[str, bytes]:
    """The files that are stored, by their names; {} where there are none.

    Raises ValueError where one is damaged, or has a name that leads elsewhere, and OSError.
    """
    for attempt in range(TRIES):
        try:
            return {name: b"".join(_whole(storage, one) for one in made) for name, made in _index(storage).items()}
        except FileNotFoundError:
            if attempt == TRIES - 1:
                raise
    return {}


def _whole(storage: Storage, piece: Mapping[str, Any]) -> bytes:
    content = storage.read(f"{FOLDER}/{piece['name']}")
    if len(content) != piece["bytes"] or hashlib.sha256(content).hexdigest() != piece["sha256"]:
        raise ValueError(f"{FOLDER}/{piece['name']} is damaged")
    return content


def _index(storage: Storage) -> dict[str, Pieces]:
    try:
        content = storage.read(f"{FOLDER}/{INDEX}")
    except FileNotFoundError:
        return {}
    try:
        found = json.loads(content)
        if found["version"] != VERSION:
            raise ValueError(f"version {found['version']}")
        files = {str(name): list(pieces) for name, pieces in found["files"].items()}
        if not all(_stays_inside(name) for name in files) or any("/" in one for one in _names(files)):
            raise ValueError("a name that leads elsewhere")
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{FOLDER}/{INDEX} is damaged: {error}") from None
    return files


def _names(files: Mapping[str, Pieces]) -> set[str]:
    return {str(piece["name"]) for pieces in files.values() for piece in pieces}


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
