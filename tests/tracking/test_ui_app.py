from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from sweeper.tracking.ui_app import CHOICE, RunsFirst

PAGE = b"<!doctype html><html><head><title>MLflow</title></head></html>"


async def an_app(scope: Any, receive: Any, send: Any) -> None:
    """Sends a page in two parts, or a 304 to a browser that has one."""
    if any(name == b"if-none-match" for name, _ in scope["headers"]):
        await send({"type": "http.response.start", "status": 304, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(PAGE)), (b"etag", b"x")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE[:20], "more_body": True})
    await send({"type": "http.response.body", "body": PAGE[20:]})


def ask(path: str) -> tuple[MutableMapping[str, Any], bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "method": "GET",
        "headers": [(b"if-none-match", b"x")] if path == "/" else [],
    }
    asyncio.run(RunsFirst(an_app)(scope, None, send))  # type: ignore[arg-type]
    return sent[0], b"".join(message["body"] for message in sent[1:])


def test_the_page_chooses_the_side_with_runs_before_anything_else_runs() -> None:
    start, body = ask("/")
    assert body == PAGE.replace(b"<head>", b"<head>" + CHOICE)
    assert (start["status"], start["headers"]) == (
        200,
        [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))],
    )


def test_all_else_is_passed_on_as_it_is() -> None:
    start, body = ask("/ajax-api/2.0/mlflow/runs/get")
    assert (start["headers"][-1], body) == ((b"etag", b"x"), PAGE)
