"""Files that are written whole or not at all: readers see the old one or the new one, also after a power cut."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import LedgerError, Problem


@contextlib.contextmanager
def replaced(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """A temporary file next to `path`, flushed to the disk and renamed to `path` at the end of the block.

    What the block raises leaves `path` as it was and removes the temporary file. Without `flush` a power cut may leave
    neither the old file nor the new one whole. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.unlink(missing_ok=True)  # left over, or laid there as a link
    try:
        yield temporary
        if flush:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all. Raises LedgerError."""
    try:
        with replaced(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> LedgerError:
    hint = "choose another folder with --results, or make room; run the same command to continue"
    return LedgerError(Problem(f"cannot be written: {error.strerror or error}", str(path), hint=hint))
