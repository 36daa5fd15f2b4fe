"""MLflow's server as `sweeper ui` starts it: its own app, whose page opens with the side of the UI that has runs.

MLflow 3's UI has two sides, one for agents and one for models, and opens an experiment on the side that the browser
last used: `mlflow.workflowType_v1` in its local storage, and agents where there is none. What kind the experiment
is does not count, and an address with `workflowType` only for itself: the UI's own links have none. On the side for
agents an empty page of traces opens with a pop-up, and next to it an assistant that nothing was asked of. So the page
starts with a script that sets both where nothing is set yet; a choice of the reader stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

NAME = "sweeper"  # under the entry points `mlflow.app` of this package
CHOICE = b"""<script>
for (const [name, value] of Object.entries({
  "mlflow.workflowType_v1": '"machine_learning"',
  "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
})) localStorage.getItem(name) ?? localStorage.setItem(name, value);
</script>"""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RunsFirst:
    """An ASGI app: another one, with CHOICE at the head of its page `/`."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                page = body.replace(b"<head>", b"<head>" + CHOICE, 1)
                await send({**start, "headers": _headers(start["headers"], len(page))})
                await send({"type": "http.response.body", "body": page})

        # Not a page that the browser has from before: it would lack the choice.
        asked = [pair for pair in scope["headers"] if pair[0].lower() not in (b"if-none-match", b"if-modified-since")]
        await self._app({**scope, "headers": asked}, receive, collect)


def _headers(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    own = (b"content-length", b"etag", b"last-modified")
    kept = [pair for pair in headers if pair[0].lower() not in own]
    return [*kept, (b"content-length", str(length).encode())]


def app() -> RunsFirst:
    """The app that `mlflow server --app-name sweeper` serves."""
    from mlflow.server.fastapi_app import app as of_mlflow

    return RunsFirst(of_mlflow)
