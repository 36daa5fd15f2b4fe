"""How a `for` loop was left before its iterator was through: by `break`, `return`, or by an exception, and by which.

Python closes the iterator then, and gives it no reason. An exception, though, has a traceback by then that names the
instruction of the loop's frame; from Python 3.12 on that belongs to the exception itself. Before, one that was raised
in C and passed through no `with`, `try` or `except` yet is no object so far: of it only the place is known.
"""

from __future__ import annotations

import gc
import linecache
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

RAISE = "RAISE_VARARGS"


@dataclass(frozen=True, slots=True)
class LoopExit:
    """What made a loop end early. `error` is None where the exception is not known; `trace` is where it came from."""

    error: BaseException | None
    trace: TracebackType

    @property
    def is_interrupt(self) -> bool:
        """Whether it is Ctrl-C, or the like that is no fault of the loop's body."""
        if self.error is not None:
            return not isinstance(self.error, Exception)
        return _last(self.trace).tb_frame.f_code is _interrupted.__code__

    def text(self) -> str:
        """The traceback as Python prints it."""
        if self.error is not None:
            return "".join(traceback.format_exception(type(self.error), self.error, self.trace))
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(self.trace)]
        return "".join(lines).rstrip()

    def when_known(self, write: Callable[[str], None]) -> None:
        """Write the exception's own line once Python shows it: at the end of the program, or of a notebook's cell."""
        if self.error is None:
            _Awaited(self.trace, write).begin()

    def reason(self) -> str:
        """Where an exception that is not known was raised, in one line."""
        last = _last(self.trace)
        name = last.tb_frame.f_code.co_filename
        line = linecache.getline(name, last.tb_lineno).strip()
        return f"an exception left the loop: line {last.tb_lineno}: {line}" if line else "an exception left the loop"


def exception_that_left(frame: FrameType) -> LoopExit | None:
    """The exception that leaves the loop of `frame` now; None where it is left by `break` or `return`."""
    for trace in gc.get_referrers(frame):
        if isinstance(trace, TracebackType) and trace.tb_frame is frame and trace.tb_lasti == frame.f_lasti:
            return LoopExit(_error_of(trace), trace)
    return None


@contextmanager
def noted_interrupts() -> Iterator[None]:
    """In the block Ctrl-C raises KeyboardInterrupt from a function of ours, which a traceback names."""
    is_usual = threading.current_thread() is threading.main_thread()
    is_usual = is_usual and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        if is_usual and signal.getsignal(signal.SIGINT) is _interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Awaited:
    """An exception of which only a traceback is known so far."""

    def __init__(self, trace: TracebackType, write: Callable[[str], None]) -> None:
        self.trace, self.write, self.shell = trace, write, _shell()
        self.before = sys.excepthook

    def begin(self) -> None:
        if self.shell is not None:
            self.shell.events.register("post_run_cell", self.after_cell)
        else:
            sys.excepthook = self.at_end

    def after_cell(self, result: Any) -> None:
        self.shell.events.unregister("post_run_cell", self.after_cell)
        self._found(result.error_in_exec)

    def at_end(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if sys.excepthook == self.at_end:
            sys.excepthook = self.before
        self._found(error.with_traceback(trace))
        self.before(kind, error, trace)

    def _found(self, error: BaseException | None) -> None:
        part = error.__traceback__ if error is not None else None
        while part is not None and part is not self.trace:
            part = part.tb_next
        if part is not None:
            self.write("".join(traceback.format_exception_only(error)).rstrip())


def _shell() -> Any:
    """IPython's shell, None outside of one."""
    module: Any = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _error_of(trace: TracebackType) -> BaseException | None:
    """The exception of a traceback."""
    part: TracebackType | None = trace
    while part is not None:
        for error in gc.get_referrers(part):
            if isinstance(error, BaseException) and error.__traceback__ is part:
                return error
        part = part.tb_next
    if sys.version_info < (3, 12) and _is_raise(_last(trace)):  # it is there, and nothing refers to its traceback yet
        young = reversed(gc.get_objects(generation=0))
        errors = (one for one in young if isinstance(one, BaseException) and not isinstance(one, GeneratorExit))
        return next((error for error in errors if error.__traceback__ is None), None)
    return None


def _is_raise(trace: TracebackType) -> bool:
    import dis

    return any(
        one.offset == trace.tb_lasti and one.opname == RAISE for one in dis.get_instructions(trace.tb_frame.f_code)
    )


def _last(trace: TracebackType) -> TracebackType:
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace
