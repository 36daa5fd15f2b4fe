"""Where the command line starts and every error ends."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from sweeper.cli.terminal import streams
from sweeper.cli.terminal.plain_text import print_text
from sweeper.errors import Exit, LedgerWarning, Problem, SweeperError
from sweeper.execution.signals import stopping_signals

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


def main() -> NoReturn:
    """Run a command and end this process with its exit code, whatever threads and processes a trainer left in it."""
    for number in stopping_signals():
        signal.signal(number, _quit)
    streams.open_closed()
    try:
        _run()
    except SystemExit as end:
        threads = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
        if not all(thread.daemon for thread in threads) or _children():
            _leave(end.code if isinstance(end.code, int) else Exit.OK if end.code is None else Exit.INTERNAL)
        gc.freeze()  # as it ends Python searches all objects for garbage: a second where MLflow and Ray are imported
        raise


def _children() -> list[BaseProcess]:
    """The processes that a trainer began with `multiprocessing` and left."""
    known = sys.modules.get("multiprocessing.process")
    return known.active_children() if known else []


def _leave(code: int) -> NoReturn:
    """End this process now: Python would wait for threads and processes that are no daemons, and some never end."""
    for child in _children():
        child.terminate()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _run() -> NoReturn:
    """The one error boundary: a user's error is a few lines and its exit code, a bug names --debug."""
    warnings.showwarning = _warn
    debug = "--debug" in sys.argv
    try:
        try:
            from sweeper.cli.app import app  # here: it takes a tenth of a second, in which Ctrl-C may come

            app()
        finally:
            sys.stdout.flush()  # here, where an error is still reported
    except Exception as error:
        if debug and not streams.is_output_error(error):
            raise
        sys.exit(_report(error))
    sys.exit(Exit.OK)


def _report(error: Exception) -> Exit:
    """Print what a command ended with, as far as anybody reads it; returns the exit code."""
    if streams.is_output_error(error):
        streams.discard_output()
        if isinstance(error, BrokenPipeError):
            return Exit.OK  # the reader left: nothing to complain about
        print_text(f"error: standard output cannot be written: {error}", news=True)
        return Exit.INTERNAL
    if isinstance(error, SweeperError):
        _print_problems(error.problems, "error")
        return error.exit_code
    text = f"internal error: {type(error).__name__}: {error}\n  hint: --debug shows the traceback; please report it"
    print_text(text, news=True)
    return Exit.INTERNAL


def _warn(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """What is not read of a results folder is a line for people; other warnings are Python's."""
    if isinstance(message, LedgerWarning):
        _print_problems([message.problem], "warning")
    else:
        print_text(warnings.formatwarning(message, category, filename, lineno).rstrip(), news=True)


def _print_problems(problems: Sequence[Problem], kind: str) -> None:
    from sweeper.cli.output import news_console
    from sweeper.cli.terminal.console import print_problems

    print_problems(news_console("--no-color" in sys.argv), problems, kind)


def _quit(number: int, *_: object) -> NoReturn:
    """Before a run begins and after it has ended there is nothing to stop."""
    sys.exit(Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED)


if __name__ == "__main__":
    main()
