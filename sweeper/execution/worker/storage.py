"""Storage that all nodes reach: a bucket or a mounted folder, by pyarrow's file systems, with short waits.

Log-ins come from the environment, as the tools of each provider read them; an address with one in it is refused.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

PART = ".part"  # of a local file that is being written
CONNECT_S, REQUEST_S = 5.0, 30.0


def below(url: str, name: str) -> str:
    """The address of a folder below another one; options of S3 stay at the end."""
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder of a file system. Every method raises OSError where the storage does not answer, or refuses."""

    files: FileSystem
    root: str

    @classmethod
    def at(cls, url: str) -> Storage:
        """The folder at an address: `s3://bucket/prefix`, `gs://bucket/prefix`, `file:///mnt/x` or `/mnt/x`.

        Of S3, `?endpoint_override=HOST:PORT&scheme=http&region=...` name another server than Amazon's.
        """
        from pyarrow import fs

        parts = urlsplit(url)
        place = f"{parts.netloc}{parts.path}".rstrip("/")
        if parts.scheme == "s3":
            quick = fs.AwsStandardS3RetryStrategy(max_attempts=1)  # it is tried again by who asks, and not for minutes
            waits = {"connect_timeout": CONNECT_S, "request_timeout": REQUEST_S, "retry_strategy": quick}
            return cls(fs.S3FileSystem(**dict(parse_qsl(parts.query)), **waits), place)
        if parts.scheme == "gs":
            return cls(fs.GcsFileSystem(), place)
        return cls(fs.LocalFileSystem(), place)

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError where there is none."""
        try:
            with self.files.open_input_stream(f"{self.root}/{name}") as file:
                return bytes(file.read())
        except OSError:
            if self.exists(name):
                raise
            raise FileNotFoundError(name) from None  # removed after it was opened: S3 has another error for that

    def write(self, name: str, content: bytes) -> None:
        """Write a file: readers see the old one, or all of the new one."""
        path = f"{self.root}/{name}"
        if self._is_local:  # a bucket shows an object when it is whole; a folder needs to be there, and a rename
            self.files.create_dir(path.rpartition("/")[0], recursive=True)
        written = f"{path}.{uuid.uuid4().hex}{PART}" if self._is_local else path
        with self.files.open_output_stream(written) as file:
            file.write(content)
        if written != path:
            self.files.move(written, path)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            self.files.delete_file(f"{self.root}/{name}")
        except FileNotFoundError:
            return

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        try:
            self.files.delete_dir(f"{self.root}/{name}")
        except FileNotFoundError:
            return

    def folders(self, name: str) -> list[str]:
        """The names of the folders in a folder; none where it is not there."""
        return [one.base_name for one in self._inside(name) if not one.is_file]

    def names(self, name: str) -> list[str]:
        """The names of the files in a folder; none where it is not there."""
        return [one.base_name for one in self._inside(name) if one.is_file and not one.base_name.endswith(PART)]

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self.files.get_file_info(f"{self.root}/{name}").is_file)

    def modified(self, name: str) -> float:
        """When a file was written, by the clock of the storage. Raises FileNotFoundError where there is none."""
        found = self.files.get_file_info(f"{self.root}/{name}")
        if not found.is_file:
            raise FileNotFoundError(name)
        return float(found.mtime_ns) / 1e9

    def _inside(self, name: str) -> list[FileInfo]:
        from pyarrow.fs import FileSelector

        return list(self.files.get_file_info(FileSelector(f"{self.root}/{name}", allow_not_found=True)))

    def check(self) -> None:
        """Write, read and remove a file; what fails is tried twice more."""
        for wait_s in (1.0, 2.0):
            try:
                return self._check_once()
            except OSError:
                time.sleep(wait_s)
        return self._check_once()

    def _check_once(self) -> None:
        name = ".sweeper-check"  # always the same: one that an outage leaves is removed by the next run
        self.write(name, b"sweeper")
        if self.read(name) != b"sweeper":
            raise OSError("what was written is read back as something else")
        self.remove(name)

    @property
    def _is_local(self) -> bool:
        return bool(self.files.type_name == "local")
