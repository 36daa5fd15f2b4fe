"""Where the command line starts and every error ends."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import NoReturn

from sweeper.cli.app import app
from sweeper.cli.output import news_console
from sweeper.cli.terminal.plain_text import say
from sweeper.errors import Exit, LedgerWarning, SweeperError


def main() -> NoReturn:
    """The one error boundary: a user's error is a few lines and its exit code, ours says how to see the traceback."""
    signal.signal(signal.SIGINT, _quit)
    warnings.showwarning = _warn
    debug = "--debug" in sys.argv
    try:
        app()
    except SweeperError as error:
        if debug:
            raise
        from sweeper.cli.terminal.console import print_problems

        print_problems(news_console("--no-color" in sys.argv), error.problems)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to complain about
        sys.exit(Exit.OK)
    except Exception as error:
        if debug:
            raise
        text = f"internal error: {type(error).__name__}: {error}\n  hint: --debug shows the traceback; please report it"
        say(text, news=True)
        sys.exit(Exit.INTERNAL)
    sys.exit(Exit.OK)


def _warn(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """What is not read of a results folder is a line for people; other warnings are Python's."""
    if isinstance(message, LedgerWarning):
        from sweeper.cli.terminal.console import print_problems

        print_problems(news_console("--no-color" in sys.argv), [message.problem], "warning")
    else:
        say(warnings.formatwarning(message, category, filename, lineno).rstrip(), news=True)


def _quit(*_: object) -> NoReturn:
    sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
