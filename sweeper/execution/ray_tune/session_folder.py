"""Where a Ray of our own keeps its session: short enough for its sockets, with room, and not in the home folder."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sweeper.errors import Problem, UsageError

# Linux takes 107 bytes for the path of a socket; Ray adds "/ray/session_<date, time, pid>/sockets/plasma_store".
LONGEST = 107 - 70
ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")
LEAST_FREE = 20_000_000  # bytes; with less, Ray waits half a minute for files that it could not write


def session_folder(environment: Mapping[str, str] = os.environ) -> str | None:
    """The folder to give to `ray.init`; None where Ray's own choice will do. Raises UsageError when there is none."""
    chosen = environment.get("RAY_TMPDIR") or environment.get("TMPDIR") or tempfile.gettempdir()
    if _fits(chosen):
        return None
    place = next((place for place in (environment.get("XDG_RUNTIME_DIR", ""), *ELSEWHERE) if _fits(place)), None)
    if place is None:
        hint = "set TMPDIR to such a folder"
        allowed = (
            f"a writable folder with {LEAST_FREE // 1_000_000} MB free whose path has at most {LONGEST} characters"
        )
        raise UsageError(Problem("no place for the sockets and logs of Ray", "", "TMPDIR", chosen, allowed, hint))
    return str(Path(place, "ray"))


def use_own_token() -> None:
    """Give a Ray of our own a token for this run: it would write one into the home folder, which may be read-only."""
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _fits(place: str) -> bool:
    is_usable = bool(place) and len(os.fsencode(place)) <= LONGEST and os.access(place, os.W_OK | os.X_OK)
    return is_usable and shutil.disk_usage(place).free >= LEAST_FREE
