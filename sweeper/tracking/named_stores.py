"""The MLflow servers that the user of this machine has named: only they are connected to with the user's log-in.

A results folder can come from anybody, and its sweep file may name any server. A user names one by running a file, by
`--tracking-uri` or by MLFLOW_TRACKING_URI; it is remembered outside of every results folder, without a log-in.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sweeper.redaction import MASK, without_login


def is_named(uri: str) -> bool:
    """Whether the user named this server before, or names it now by MLFLOW_TRACKING_URI."""
    return _key(uri) in {*_remembered(), _key(os.environ.get("MLFLOW_TRACKING_URI", ""))} - {""}


def remember(uri: str | None) -> None:
    """Take note of a server that the user named. Where that cannot be written, the user is asked again."""
    if not uri or _key(uri) in _remembered():
        return
    with contextlib.suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        with _file().open("a", encoding="utf-8") as file:
            file.write(f"{_key(uri)}\n")


def usable(uri: str) -> str:
    """The address to connect to. One over HTTP whose log-in was not kept takes that of MLFLOW_TRACKING_USERNAME."""
    return uri.replace(MASK, "") if uri.startswith(("http://", "https://")) else uri


def _key(uri: str) -> str:
    return without_login(uri.strip(), mask="").replace(MASK, "").rstrip("/")


def _remembered() -> list[str]:
    with contextlib.suppress(OSError):
        return _file().read_text(encoding="utf-8", errors="replace").split("\n")
    return []


def _file() -> Path:
    """In the user's configuration: $XDG_CONFIG_HOME, else ~/.config."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder.startswith("/") else Path("~/.config").expanduser()) / "sweeper" / "tracking_uris"
