"""A real S3 server on loopback (moto), which can be slow, refuse, or be killed and started again with what it had."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

BUCKET = "sweeps"


class S3Server:
    """What is stored outlives `stop` and `start`, as on a disk."""

    def __init__(self) -> None:
        self.delay_s, self.status = 0.0, ""
        self.requests = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None

    @property
    def url(self) -> str:
        """The bucket, as a sweep file names it."""
        return f"s3://{BUCKET}/lab?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.requests += 1
        time.sleep(self.delay_s)
        if self.status:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(self.status, [("Content-Length", "0")])
            return [b""]
        answer: Iterable[bytes] = self._application(environ, start)
        return answer
