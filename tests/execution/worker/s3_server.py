"""A real S3 server on loopback (moto): slow, full, refusing, or killed and started again with what it had."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from pyarrow.fs import FileSelector, S3FileSystem
from werkzeug.serving import BaseWSGIServer, make_server

from sweeper.execution.worker.storage import Storage

BUCKET = "sweeps"
FULL = b"<Error><Code>QuotaExceeded</Code><Message>The bucket's quota is used up.</Message></Error>"  # as Ceph has it


class S3Server:
    """What is stored outlives `stop` and `start`, as on a disk."""

    def __init__(self) -> None:
        self.delay_s, self.status, self.is_full = 0.0, "", False
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request otherwise
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None

    @property
    def url(self) -> str:
        """The bucket, as a sweep file names it."""
        return f"s3://{BUCKET}/lab?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def make_bucket(self) -> None:
        """Make the bucket, or empty it."""
        options = {"endpoint_override": f"127.0.0.1:{self.port}", "scheme": "http", "allow_bucket_creation": True}
        files = S3FileSystem(region="us-east-1", **options)
        files.create_dir(BUCKET)
        files.delete_dir_contents(BUCKET)

    def keys(self) -> list[str]:
        """What is stored."""
        found = Storage.at(self.url).files.get_file_info(FileSelector(BUCKET, recursive=True))
        return sorted(one.path for one in found if one.is_file)

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(self.delay_s)
        if self.status:
            return _refused(environ, start, self.status, b"")
        if self.is_full and (environ["REQUEST_METHOD"] == "PUT" or "uploads" in environ["QUERY_STRING"]):
            return _refused(environ, start, "403 Forbidden", FULL)
        answer: Iterable[bytes] = self._application(environ, start)
        return answer


def _refused(environ: dict[str, Any], start: Callable[..., Any], status: str, content: bytes) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start(status, [("Content-Length", str(len(content))), ("Content-Type", "application/xml")])
    return [content]
