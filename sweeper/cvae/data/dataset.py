"""Examples checked once and kept as tokens, in the user's cache folder, under the digest of all they are made of.

They are written to a folder ``.part-...`` next to the others, which gets its name when it is complete. A process that
dies leaves one behind; the next that reads data removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from sweeper.cvae.data.problem import DataError
from sweeper.cvae.data.reader import ARRAYS, DatasetReader
from sweeper.cvae.data.rows import files_of, rows_of, unit_of
from sweeper.cvae.data.tokens import tokenizer_of

__all__ = ["ARRAYS", "dataset", "strategies_of", "vocabulary_of"]

FORMAT = 2  # of the kept files
FRESH = 60.0  # seconds in which a new part folder may not be locked yet
_refused: dict[tuple[str, str], str] = {}  # what was wrong: a file of gigabytes is read once, also where it is wrong


def dataset(path: str, tokenizer: str) -> Path:
    """The folder with the arrays and vocabularies of the data, made at the first call. Raises DataError."""
    files = files_of(path)
    versions = [_version(file) for file in files]
    key = _key(files, tokenizer)
    if (path, key) in _refused:
        raise DataError(_refused[path, key])
    for home in (_cache(), Path(tempfile.gettempdir()) / f"sweeper-{os.getuid()}"):
        folder = home / "data" / key
        if _is_whole(folder):
            return folder
        try:
            with _part_folder(folder.parent) as part:
                _write(files, tokenizer, part)
                if [_version(file) for file in files] != versions:
                    raise OSError("changed while it was read")
                _publish(part, folder)
        except DataError as error:
            _refused[path, key] = str(error)
            raise
        except OSError as error:
            hint = f"while its examples are written below {folder.parent}; XDG_CACHE_HOME chooses another place"
            raise DataError(f"{path}: {error.strerror or error}, {hint}") from None
        except _UnwritableError:
            continue
        return folder
    raise DataError(f"{path}: neither {_cache()} nor {tempfile.gettempdir()} can be written to")


def strategies_of(path: str, tokenizer: str) -> list[str] | None:
    """The names of the strategies in the data; [] where none are known, None where the data cannot be read."""
    try:
        return vocabulary_of(dataset(path, tokenizer), "strategy")
    except (DataError, OSError):
        return None


def vocabulary_of(folder: Path, name: str) -> list[str]:
    """The tokens of ``prompt`` or ``target``, or the names of ``strategy``, in the order of their numbers."""
    return list(json.loads((folder / f"{name}.json").read_text()))


class _UnwritableError(Exception):
    """A cache in which no folder can be made."""


@contextmanager
def _part_folder(parent: Path) -> Iterator[Path]:
    """A folder to write to, locked by this process, which is gone afterwards unless it was renamed."""
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_abandoned(parent)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=parent))
    except OSError:
        raise _UnwritableError from None
    handle = os.open(part, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield part
    finally:
        os.close(handle)
        shutil.rmtree(part, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Removes the part folders of processes that died."""
    for part in parent.glob(".part-*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime < FRESH:
                continue
            handle = os.open(part, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(part, ignore_errors=True)
            finally:
                os.close(handle)


def _publish(part: Path, folder: Path) -> None:
    """Gives a complete folder its name, unless another process was faster."""
    sizes = {name: (part / name).stat().st_size for name in ARRAYS}
    (part / "meta.json").write_text(json.dumps(sizes))
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder)
    try:
        part.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise


def _is_whole(folder: Path) -> bool:
    """Whether all arrays are there, in full: what empties caches may have been at work."""
    try:
        sizes = json.loads((folder / "meta.json").read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _write(files: list[Path], tokenizer: str, folder: Path) -> None:
    reader = DatasetReader(folder, tokenizer_of(tokenizer), whitespace=tokenizer == "whitespace")
    try:
        for file in files:
            literal = any(suffix.lower() in (".csv", ".tsv") for suffix in file.suffixes)
            reader.open(f"{file} {unit_of(file)}")
            for number, row in rows_of(file):
                reader.add(number, row, literal)
        try:
            reader.finish()
        except DataError as error:
            raise DataError(f"{', '.join(map(str, files))}: {error}") from None
    finally:
        reader.abandon()


def _key(files: list[Path], tokenizer: str) -> str:
    parts = [f"{FORMAT} {tokenizer}", *(f"{file.suffix} {_digest(file, *_version(file))}" for file in files)]
    if Path(tokenizer).is_file():
        parts.append(_digest(Path(tokenizer), *_version(Path(tokenizer))))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "sweeper"


def _version(file: Path) -> tuple[int, ...]:
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@lru_cache(maxsize=1024)
def _digest(file: Path, *version: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
