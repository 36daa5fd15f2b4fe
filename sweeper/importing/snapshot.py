"""A SQLite file as it is now, copied: what reads the copy cannot change the original, nor wait for who writes to it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sweeper.errors import Problem, UsageError

_PREFIX = "sqlite:///"


@contextmanager
def snapshot(path: Path, tables: Sequence[str], kind: str) -> Iterator[str]:
    """The address of a copy, `sqlite:///...`, there during the block.

    Raises UsageError for a file that is no SQLite database with these tables.
    """
    if not path.is_file():
        hint = f"the SQLite file of {kind}, or its address, with http:// or another scheme"
        raise UsageError(Problem("no such file", str(path), hint=hint))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        try:
            address = f"{path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as original, closing(sqlite3.connect(copy)) as database:
                original.backup(database)
                found = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.Error as error:
            raise UsageError(Problem(f"no SQLite database that can be read: {error}", str(path))) from None
        if missing := [name for name in tables if name not in found]:
            raise UsageError(Problem(f"not a database of {kind}: it has no table {missing[0]!r}", str(path)))
        yield f"{_PREFIX}{copy}"


def path_of(address: str) -> Path | None:
    """The path of `sqlite:///FILE`, of `file:FOLDER`, or of a plain path; None for another address."""
    if address.startswith("file:"):
        return Path(unquote(urlsplit(address).path))
    if address.startswith(_PREFIX):
        return Path(address.removeprefix(_PREFIX))
    return None if "://" in address else Path(address)
