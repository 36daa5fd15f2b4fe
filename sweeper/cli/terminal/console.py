"""How text, numbers and headings look in a terminal, and when piped; the consoles to print on.

Messages go to standard error; results and JSON go to standard output and are printed by the commands.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sweeper.cli.terminal.plain_text import plain
from sweeper.errors import Problem, condensed
from sweeper.trial import State
from sweeper.value_text import NO_LABELS, Labels

HEADING_WIDTH = 11  # seven columns then fit into 80 characters
UNLIMITED = 1_000_000  # characters of a line in a pipe or a file
NARROW = 140  # below that a finished trial takes two lines on a terminal
BARS = "▁▂▃▄▅▆▇█"
STYLES = {
    State.COMPLETED: "green",
    State.PRUNED: "cyan",
    State.DIVERGED: "yellow",
    State.FAILED: "bold red",
    State.STOPPED: "magenta",
    State.RUNNING: "blue",
    State.PENDING: "dim",
}


def news(*, color: bool) -> Console:
    """A console on a copy of standard error: what others print there can then be sent elsewhere."""
    try:
        is_of_a_notebook = type(sys.stderr).__module__.startswith("ipykernel")  # its descriptor is the server's
        descriptor = -1 if is_of_a_notebook else os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # a program has put an object of its own in its place
        descriptor = -1
    if descriptor < 0:
        return PlainConsole(file=sys.stderr, no_color=True, soft_wrap=True, width=UNLIMITED)
    binary = os.fdopen(descriptor, "wb", buffering=0)
    stream = _Lasting(binary, encoding="utf-8", errors="replace", write_through=True)
    return PlainConsole(file=stream, no_color=not color, **_as_wide_as(stream))


def results(*, color: bool) -> Console:
    """A console on standard output, unwrapped when piped."""
    return PlainConsole(no_color=not color, **_as_wide_as(sys.stdout))


def _as_wide_as(stream: TextIO) -> dict[str, Any]:
    """A terminal's own width; elsewhere lines are as long as they are."""
    return {} if stream.isatty() else {"soft_wrap": True, "width": UNLIMITED}


class PlainConsole(Console):
    """A console that writes texts as they are: no control characters, no markup, no emoji, whatever they hold."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))


class _Lasting(io.TextIOWrapper):
    """A stream that goes on when its terminal has been closed: a sweep must not end because its terminal is gone."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def print_problems(console: Console, problems: Iterable[Problem], kind: str = "error") -> None:
    """Each problem: what is wrong in one line, then found / allowed / hint, indented. Warnings that agree are one."""
    style = "bold red" if kind == "error" else "bold yellow"
    for problem in problems if kind == "error" else condensed(problems):
        first, *rest = plain(str(problem)).split("\n")
        console.print(Text(f"{kind}: ", style).append(first, "default not bold"))
        for line in rest:
            console.print(Text(line, "dim"))


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The last `width` values as bars between their least and their greatest; a gap where one is not finite."""
    shown = list(values)[-width:]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return " " * len(shown)
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    steps = len(BARS) - 1
    return "".join(BARS[round((v - low) / span * steps)] if math.isfinite(v) else " " for v in shown)


def heading(name: str, names: Sequence[str], labels: Labels = NO_LABELS) -> str:
    """A column's heading: its short name, broken at underscores unless somebody chose it."""
    short = labels.short_names([*names, name])[name]
    if short == labels.shorts.get(name):
        return short
    return broken(short, HEADING_WIDTH)


def broken(name: str, width: int) -> str:
    """A name in lines of at most `width` characters, if its words are no longer."""
    lines = [""]
    for part in re.findall(r"[^_./]+[_./]*", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
