"""The runs that W&B's client keeps on disk, `run-ID.wandb`: a log of LevelDB's form whose entries are protocol buffers.

An offline run has no other file with its results, and the `wandb` package has no public reader for them. Of the entries
only what a run is made of is read, by the numbers that W&B's public definition gives the fields: config, summary,
history, start and exit.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeper.errors import Problem, UsageError

HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32 * 1024  # no chunk of an entry crosses the end of one
CHUNK = struct.Struct("<IHB")  # checksum, size, kind
FULL, FIRST, LAST = 1, 2, 4
HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18  # fields of an entry


def wandb_runs(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The runs of a file, of a run's folder or of a folder `wandb`, each with its file, as W&B's API has them.

    One that was resumed has several files, which are put together; one without an end is `running`. Raises UsageError.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for file in _files(path):
        run = _run(file)
        where, before = found.get(run["id"], (str(file), run))
        if before is not run:
            parts = {name: before[name] | run[name] for name in ("config", "summary")}
            run = before | parts | {"state": run["state"], "history": before["history"] + run["history"]}
        found[run["id"]] = (where, run)
    return list(found.values())


def _files(path: Path) -> list[Path]:
    """In the order of the names of their folders, which begin with the time; `latest-run` is one of them again."""
    if not path.is_dir():
        return [path]
    found = {file.resolve(): file for depth in ("", "*/", "wandb/*/") for file in sorted(path.glob(f"{depth}*.wandb"))}
    if not found:
        hint = "of runs that W&B has: their table as CSV, or a JSON file of its API's runs"
        raise UsageError(Problem("no run of W&B in this folder", str(path), "", "", "files run-ID.wandb", hint))
    return [found[real] for real in sorted(found)]


def _run(path: Path) -> dict[str, Any]:
    run: dict[str, Any] = {"id": str(path), "state": "running", "config": {}, "summary": {}, "history": []}
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", str(path))) from None
    try:
        for entry in _entries(data):
            for field, part in _fields(entry):
                _add(run, field, part)
    except (ValueError, IndexError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(Problem(f"a damaged file of W&B, or none: {error}", str(path))) from None
    return run


def _add(run: dict[str, Any], field: int, part: Any) -> None:
    """Take from one entry what a run is made of."""
    if field == HISTORY:
        run["history"].append(_items(part, item=1))
    elif field == SUMMARY:
        _update(run["summary"], part)
    elif field == CONFIG:
        _update(run["config"], part)
    elif field == EXIT:
        run["state"] = "finished" if dict(_fields(part)).get(1, 0) == 0 else "failed"
    elif field == RUN:
        known = dict(_fields(part))
        run["id"] = known[1].decode()
        _update(run["config"], known.get(4, b""))
        if 17 in known:
            run["created_at"] = datetime.fromtimestamp(dict(_fields(known[17]))[1], UTC).isoformat()


def _update(found: dict[str, Any], part: bytes) -> None:
    """Set what a record of updates (field 1) sets, and drop what it removes (field 2)."""
    found |= _items(part, item=1)
    for name in _items(part, item=2):
        found.pop(name, None)


def _items(part: bytes, item: int) -> dict[str, Any]:
    """The items of a record, nested names joined by dots."""
    found: dict[str, Any] = {}
    for number, body in _fields(part):
        if number == item:
            fields = list(_fields(body))
            name = ".".join(text.decode() for field, text in fields if field in (1, 2))  # a name, or its parts
            found[name] = next((json.loads(text) for field, text in fields if field == 16), None)
    return found


def _entries(data: bytes) -> Iterator[bytes]:
    """The entries in order, up to one that was half written when the program was killed. Raises ValueError."""
    if not data.startswith(HEADER):
        raise ValueError("it does not begin as one")
    at, parts = len(HEADER), list[bytes]()
    while True:
        left = BLOCK - at % BLOCK
        at += left if left < CHUNK.size else 0
        if len(data) < at + CHUNK.size:
            return
        checksum, size, kind = CHUNK.unpack_from(data, at)
        body = data[at + CHUNK.size : at + CHUNK.size + size]
        if len(body) < size or not (checksum or size or kind):
            return
        if zlib.crc32(body, zlib.crc32(bytes([kind]))) != checksum:
            raise ValueError(f"its checksum does not hold at byte {at}")
        at += CHUNK.size + size
        parts = [body] if kind in (FULL, FIRST) else [*parts, body]
        if kind in (FULL, LAST):
            yield b"".join(parts)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protocol buffer by number: numbers, and texts, records and floats as bytes."""
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        if tag & 7 == 0:
            value, at = _number(data, at)
            yield tag >> 3, value
            continue
        size, at = _number(data, at) if tag & 7 == 2 else ({1: 8, 5: 4}[tag & 7], at)
        yield tag >> 3, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
