"""What a trainer raised, as one line for people; whatever it is, nothing is raised here."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from pathlib import Path

LONGEST = 300


def reason_of(error: BaseException) -> str:
    """`ValueError: its message (train.py:7)`, in one line."""
    text = text_of(error)
    return f"{type(error).__name__}{f': {text}' if text else ''}{_place(error)}"


def text_of(error: BaseException) -> str:
    """The message of an exception, as one line of at most 300 characters."""
    try:
        return one_line(str(error))
    except BaseException as failure:
        return f"its text cannot be shown, __str__ raised {type(failure).__name__}"


def one_line(text: str) -> str:
    """A text on one line; lone surrogates, which no file can hold, are escaped."""
    return " ".join(text.split())[:LONGEST].encode(errors="backslashreplace").decode()


def log(text: str) -> None:
    """Write a line to the log of the trial, also when the trainer has closed or replaced its standard streams."""
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="backslashreplace"))


def log_traceback(error: BaseException) -> None:
    """Write an exception to the log of the trial as Python would print it."""
    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:  # e.g. an attribute of the exception that raises when it is read
        text = reason_of(error)
    log(text.rstrip())


def _place(error: BaseException) -> str:
    """Where in the trainer's own code it happened: the innermost frame outside installed packages and this one."""
    ours, frames = str(Path(__file__).parent), traceback.extract_tb(error.__traceback__)
    others = ("site-packages", "/lib/python", ours)
    own = [frame for frame in frames if not any(part in frame.filename for part in others)]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
