"""The files of trials that have ended (logs, tables, models) in storage, as one archive per trial.

    URL/SWEEP/files/KEY-ATTEMPT-SHA256.zip

The name has the hash of the content. Checkpoints are not in it: those of trials that go on are stored by workers.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sweeper.execution.worker import checkpoints
from sweeper.execution.worker.storage import Storage

FOLDER = "files"
AT_ONCE = 8
_NAME = re.compile(r"([0-9a-f]{16})-(\d+)-([0-9a-f]{64})\.zip")


class TrialArchives:
    """What a driver writes. Every method raises OSError where the storage does not answer, or refuses."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._names = _newest(storage)

    def lacks(self, trial: str, attempt: int) -> bool:
        """Whether the files of this attempt, or of a later one, are not there."""
        return trial not in self._names or _attempt(self._names[trial]) < attempt

    def put(self, attempts: Mapping[str, int], folder: Callable[[str], Path]) -> None:
        """Write the files of these trials."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda trial: self._put(trial, attempts[trial], folder(trial)), attempts):
                pass

    def _put(self, trial: str, attempt: int, folder: Path) -> None:
        files = _files(folder)
        if not files:
            return
        content = _packed(folder, files)
        name = f"{trial}-{attempt}-{hashlib.sha256(content).hexdigest()}.zip"
        self.storage.write(f"{FOLDER}/{name}", content)
        before, self._names[trial] = self._names.get(trial, name), name
        if before != name:
            self.storage.remove(f"{FOLDER}/{before}")


def fetch(storage: Storage, folder: Callable[[str], Path]) -> list[str]:
    """Unpack all archives, each into the folder of its trial. Returns those that are damaged. Raises OSError."""

    def unpacked(name: str) -> str:
        content = storage.read(f"{FOLDER}/{name}")
        trial, _, sha = _parts(name)
        if hashlib.sha256(content).hexdigest() != sha:
            return name
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder(trial))  # which leaves out what would lead elsewhere
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [name for name in pool.map(unpacked, _newest(storage).values()) if name]


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if checkpoints.FOLDER not in path.relative_to(folder).parts[:1])


def _packed(folder: Path, files: Sequence[Path]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())  # of one date: equal files, equal content
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _newest(storage: Storage) -> dict[str, str]:
    found = sorted((name for name in storage.names(FOLDER) if _NAME.fullmatch(name)), key=_attempt)
    return {_parts(name)[0]: name for name in found}


def _attempt(name: str) -> int:
    return int(_parts(name)[1])


def _parts(name: str) -> tuple[str, str, str]:
    match = _NAME.fullmatch(name)
    assert match is not None, "one of ours"
    return match[1], match[2], match[3]
