"""Files of JSON lines, each with a CRC-32 of itself: what was torn or damaged is seen, and is never trusted."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import LedgerError, Problem
from sweeper.ledger import regular_file
from sweeper.ledger.chain import Chain

PREVIOUS = "prev"  # the hash of the line before, in a ledger


def encode(entry: Mapping[str, object]) -> bytes:
    """An entry as a line that ends with its checksum."""
    body = json.dumps(entry, separators=(",", ":"), allow_nan=False, default=str)[:-1].encode()
    return b'%s,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def read(path: Path, chain: Chain | None = None) -> Iterator[dict[str, Any] | None]:
    """The entries of a file, None for each damaged line; nothing where there is no file. Raises LedgerError.

    `chain` follows the hashes of a ledger; the entries come without them.
    """
    for line in _lines(path):
        entry = _decode(line) if _is_whole(line) else None
        if entry is not None:
            previous = entry.pop(PREVIOUS, "")
            if chain is not None:
                chain.follow(line, previous)
        elif chain is not None:
            chain.skip()
        yield entry


def last_whole_line(path: Path) -> bytes:
    """The last line whose checksum is right, b"" where there is none. Raises LedgerError."""
    return next((line for line in reversed(_lines(path)) if _is_whole(line) and _decode(line) is not None), b"")


def _lines(path: Path) -> list[bytes]:
    """The lines of a file without their ends, which Git and editors turn into CRLF."""
    lines = (line.removesuffix(b"\r") for line in contents(path).split(b"\n"))
    return [line for line in lines if line]


def _is_whole(line: bytes) -> bool:
    return line[-18:-10] == b',"crc":"' and line[-10:-2] == b"%08x" % zlib.crc32(line[:-18])


def _decode(line: bytes) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line[:-18] + b"}")
    except (ValueError, RecursionError):  # not UTF-8, not JSON or too deep: written by somebody else
        return None
    return entry


def contents(path: Path) -> bytes:
    """The bytes of a file; none where there is no file. Raises LedgerError, also where it is a folder or a FIFO."""
    try:
        return regular_file.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise LedgerError(Problem(f"cannot be read: {error.strerror}", str(path))) from error


def open_for_append(path: Path) -> int:
    """Open a file to add lines to; what a dying process left of its last line is kept away from ours."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        os.write(handle, b"\n")
    return handle
