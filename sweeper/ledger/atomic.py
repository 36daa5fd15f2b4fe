"""Files that are written whole or not at all: readers see the old one or the new one, also after a power cut."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import LedgerError, Problem


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, put down to the disk and renamed to `path` at the end of the block.

    What the block raises leaves `path` as it was, and nothing beside it. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)  # left over, or laid there as a link
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def replace_file(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all. Raises LedgerError."""
    try:
        with replaced(path) as beside:
            beside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> LedgerError:
    hint = "choose another folder with --results, or make room; run the same command to continue"
    return LedgerError(Problem(f"cannot be written: {error.strerror or error}", str(path), hint=hint))
