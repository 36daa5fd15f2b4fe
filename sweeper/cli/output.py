"""Where the commands print: results and JSON on standard output, news and errors on standard error."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import Problem, UsageError
from sweeper.ledger.history import History
from sweeper.trial import Record

if TYPE_CHECKING:
    import typer
    from rich.console import Console

    from sweeper.ledger.paths import SweepDir
    from sweeper.spec.sweep import Sweep


def news_console(no_color: bool) -> Console:
    """Where news and errors go: standard error."""
    from sweeper.cli.terminal.console import news

    return news(color=not no_color and "NO_COLOR" not in os.environ)


def results_console(no_color: bool) -> Console:
    """Where results for people go: standard output, unwrapped when piped."""
    from sweeper.cli.terminal.console import results

    return results(color=not no_color)


def options_given(context: typer.Context) -> dict[str, list[str]]:
    """The options of this command that were given, by name, as words to give again; --results is left to its user."""
    arguments = {}
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        is_given = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
        if is_given and option.opts[0].startswith("--") and option.name not in ("results", None):
            value = context.params[option.name]
            if isinstance(value, bool):
                arguments[option.name] = (option.opts if value else option.secondary_opts)[:1]
            else:
                arguments[option.name] = [option.opts[0], str(value)]
    return arguments


def print_json(document: dict[str, Any]) -> None:
    """Print the one document of a command with --json."""
    sys.stdout.write(json.dumps({"schema_version": 1, **document}, indent=1, allow_nan=False) + "\n")


def print_json_line(document: dict[str, Any]) -> None:
    """Print a document as one line, at once: its reader waits for it."""
    sys.stdout.write(json.dumps({"schema_version": 1, **document}, allow_nan=False) + "\n")
    sys.stdout.flush()


def load_sweep(file: Path, overrides: list[str] | None, console: Console) -> Sweep:
    """Load a sweep file and pass its warnings on."""
    from sweeper.cli.terminal.console import print_problems
    from sweeper.spec.load import load_spec

    sweep = load_spec(file, overrides or ())
    print_problems(console, sweep.warnings, "warning")
    return sweep


def named_sweep(results: Path, name: str) -> SweepDir:
    """The folder of a sweep named on the command line (a path to it will do, as the shell completes it)."""
    from sweeper.ledger.paths import SweepDir

    path = Path(name)
    if len(path.parts) > 1 and path.name not in ("", "..") and path.is_dir():
        return SweepDir(path.parent, path.name)
    if len(path.parts) != 1 or path.name in ("", ".", ".."):
        raise UsageError(Problem("not the name of a sweep", "", "SWEEP", name, "a name that `sweeper list` shows"))
    return SweepDir(results, name)


def write_file(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all, and the folders above it. Raises LedgerError where it cannot be."""
    from sweeper.errors import LedgerError, Problem
    from sweeper.ledger import atomic

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replaced(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        hint = "name another place with --output"
        raise LedgerError(Problem(f"cannot be written: {error.strerror}", str(path), hint=hint)) from error


def find_trial(known: History, key: str) -> Record:
    """The trial whose key begins with `key`. Raises UsageError when there is none, or more than one."""
    found = [record for name, record in known.records.items() if name.startswith(key)]
    if len(found) == 1:
        return found[0]
    some = ", ".join(record.trial.key[:8] for record in (found or known.planned())[:6])
    problem = "no such trial" if not found else f"{len(found)} trials begin so" if key else "which trial?"
    allowed, hint = f"the beginning of a trial's key: {some} ...", "`sweeper export SWEEP` has all, in the column trial"
    raise UsageError(Problem(problem, key="TRIAL", found=key, allowed=allowed, hint=hint))
