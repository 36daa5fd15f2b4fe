"""The files of a trial (log, tables, models) in storage, as one archive per attempt.

    URL/SWEEP/files/KEY-ATTEMPT.zip

Its comment is the SHA-256 of what is in it. Checkpoints are not: those of trials that go on are stored by themselves.
A worker stores an attempt's files where it does not see the driver's results folder, which it knows by a mark that the
driver leaves there; all others are stored by the driver.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import re
import uuid
import zipfile
import zlib
from pathlib import Path

from sweeper.execution.worker import checkpoints
from sweeper.execution.worker.job import Job
from sweeper.execution.worker.storage import Storage
from sweeper.execution.worker.uploads import Uploads
from sweeper.ledger.atomic import replace_file

FOLDER, MARK = "files", ".driver"
_NAME = re.compile(r"([0-9a-f]{16})-(\d+)\.zip")


class TrialFiles:
    """What a worker stores, by a thread. No call raises."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._uploads = Uploads(self._store, "the files of a trial")

    def put(self, job: Job, limit_s: float) -> None:
        """Store the files of an attempt that is over. Waits for at most `limit_s`."""
        self._uploads.add(archive_name(job.trial, job.attempt), job.directory)
        self._uploads.flush(limit_s)

    def flush(self, limit_s: float) -> None:
        """Wait until everything is stored, at most so long, and not for a storage that does not answer."""
        self._uploads.flush(limit_s)

    def _store(self, name: str, folder: Path) -> None:
        if content := packed(folder):
            Storage.at(self._url).write(f"{FOLDER}/{name}", content)


@functools.cache
def trial_files_at(url: str) -> TrialFiles:
    """What this process stores at an address."""
    return TrialFiles(url)


def is_apart(job: Job) -> bool:
    """Whether the driver does not see this worker's files of a job."""
    if not (job.storage and job.mark):
        return False
    try:
        return (job.directory.parent / MARK).read_text(encoding="ascii") != job.mark
    except (OSError, ValueError):
        return True


def leave_mark(trials: Path) -> str:
    """Leave a new mark in the folder of all trials. Returns it, or "" where that cannot be written."""
    mark = uuid.uuid4().hex
    with contextlib.suppress(OSError):
        trials.mkdir(parents=True, exist_ok=True)
        replace_file(trials / MARK, mark)
        return mark
    return ""


def archive_name(trial: str, attempt: int) -> str:
    return f"{trial}-{attempt}.zip"


def attempt_of(name: str) -> tuple[str, int] | None:
    """The trial and the attempt of an archive; None for what is none."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def packed(folder: Path) -> bytes:
    """The archive of a trial's folder; empty where there is no file in it. Raises OSError."""
    files, content, digest = own_files(folder), io.BytesIO(), hashlib.sha256()
    if not files:
        return b""
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry, data = path.relative_to(folder).as_posix(), path.read_bytes()
            archive.writestr(zipfile.ZipInfo(entry), data, zipfile.ZIP_DEFLATED)
            _add(digest, entry, data)
        archive.comment = digest.hexdigest().encode()
    return content.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Write the files of an archive into a trial's folder. Raises ValueError where it is damaged, and OSError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            digest = hashlib.sha256()
            for entry in archive.infolist():
                _add(digest, entry.filename, archive.read(entry))
            if digest.hexdigest().encode() != archive.comment:
                raise ValueError("its content is another")
            archive.extractall(folder)  # which leaves out what would lead elsewhere
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"no whole archive: {error}") from None


def own_files(folder: Path) -> list[Path]:
    """The files of a trial but for its checkpoints, by name."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if checkpoints.FOLDER not in path.relative_to(folder).parts[:1])


def _add(digest: hashlib._Hash, name: str, data: bytes) -> None:
    digest.update(b"%d %s %d " % (len(name), name.encode(), len(data)))
    digest.update(data)
