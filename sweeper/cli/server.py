"""The MLflow server of a command: one that the user named, never one that only a file in a results folder names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.cli.terminal.plain_text import plain
from sweeper.errors import Problem, UsageError

if TYPE_CHECKING:
    from sweeper.spec.sweep import Sweep


def confirmed_server(sweep: Sweep, given: str) -> str | None:
    """The server to connect to: `given`, else that of the sweep if the user has named it or confirms it now.

    None is the store of the results folder. Raises UsageError for a server that is not confirmed.
    """
    import typer

    from sweeper.redaction import MASK, without_login
    from sweeper.tracking import named_stores

    uri = given or sweep.tracking.uri
    if uri is None:
        return None
    shown = plain(without_login(uri))
    where = sweep.place("tracking.uri")
    if not (given or named_stores.is_named(uri)):
        question = f"{plain(where)} names the MLflow server {shown}. Connect to it, with your log-in?"
        if not (sys.stdin.isatty() and typer.confirm(question, err=True)):
            hint = f"if you know it: sweeper sync {sweep.name} --tracking-uri {shown}"
            message = "a results folder, not you, names this MLflow server; your log-in would go there"
            raise UsageError(Problem(message, where, "tracking.uri", shown, "a server that you named", hint))
    uri = named_stores.usable(uri)
    if MASK in uri:
        hint = "--tracking-uri with the whole address"
        raise UsageError(Problem("the log-in of this address was not kept", where, "tracking.uri", shown, hint=hint))
    named_stores.remember(uri)
    return uri


def is_of_a_run(file: Path) -> bool:
    """Whether a sweep file lies in the results folder of a run, and may so be a stranger's."""
    return (file.parent / "ledger.jsonl").exists()
