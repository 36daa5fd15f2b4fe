"""The report of a sweep on loopback: one page that updates itself, and that only this machine can read."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from sweeper.errors import Problem, SweeperError, UsageError
from sweeper.ledger.paths import SweepDir
from sweeper.reporting.report.live import LiveReport

HOST = "127.0.0.1"
TIMEOUT_S = 30.0  # for a request that does not come
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # other sites' pages cannot embed it
}


class ReportServer(ThreadingHTTPServer):
    """Answers GET and HEAD of the page; `names` are the hosts that a browser may call it by."""

    daemon_threads = True

    def __init__(self, sweep: SweepDir, port: int) -> None:
        self.report = LiveReport(sweep)
        super().__init__((HOST, port), ReportRequest)
        self.names = {f"{host}:{self.server_port}" for host in (HOST, "localhost")}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def server_close(self) -> None:
        super().server_close()
        self.report.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that went away in the middle of an answer is no error of ours."""


class ReportRequest(BaseHTTPRequestHandler):
    """One request. Nothing is ever written: there is no method but GET and HEAD."""

    server: ReportServer
    timeout = TIMEOUT_S
    server_version = "sweeper"
    sys_version = ""

    def do_GET(self) -> None:
        # A page of another site that has its own name point to 127.0.0.1 sends that name.
        if self.headers.get("Host") not in self.server.names:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"not a name of this server")
            return
        path = urlsplit(self.path)
        if path.path not in ("/", "/page"):
            self._answer(HTTPStatus.NOT_FOUND, b"there is only one page: /")
            return
        try:
            page, version = self.server.report.page()
        except (SweeperError, OSError) as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode())
            return
        if path.path == "/page" and parse_qs(path.query).get("seen") == [version]:
            self._answer(HTTPStatus.NO_CONTENT, b"")
        else:
            self._answer(HTTPStatus.OK, page, "text/html; charset=utf-8")

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not logged: a page that looks every two seconds would fill the terminal."""


def serve_report(sweep: SweepDir, port: int, announce: Callable[[str], None]) -> None:
    """Serve the report until a signal ends the process; `announce` gets the address. Port 0 is any free one.

    Raises UsageError for a port in use.
    """
    try:
        server = ReportServer(sweep, port)
    except OSError as error:
        hint = "choose another with --port, or 0 for any free one"
        raise UsageError(Problem(f"cannot listen: {error.strerror}", f"{HOST}:{port}", "--port", hint=hint)) from None
    with server:
        announce(server.address)
        server.serve_forever(poll_interval=0.2)
