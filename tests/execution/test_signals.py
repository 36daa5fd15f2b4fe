"""What counts as one signal and what as two, in this process."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial

import pytest

from sweeper.errors import Exit
from sweeper.execution import signals
from sweeper.execution.signals import in_thread, interruptible


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((signal.SIGTERM, signal.SIGTERM, signal.SIGUSR1), [Exit.TERMINATED]),
        ((signal.SIGINT, signal.SIGINT), [Exit.INTERRUPTED] * 2),
        ((signal.SIGTERM, signal.SIGINT), [Exit.TERMINATED, Exit.INTERRUPTED]),
    ],
)
def test_a_signal_that_comes_by_two_ways_counts_once_and_each_ctrl_c_counts(
    numbers: tuple[signal.Signals, ...], expected: list[Exit]
) -> None:
    codes: list[Exit] = []
    with interruptible(codes.append):
        for number in numbers:
            signal.raise_signal(number)
    assert codes == expected


def test_a_signal_that_comes_again_later_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "TWICE_S", 0.0)
    codes: list[Exit] = []
    with interruptible(codes.append):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert codes == [Exit.TERMINATED] * 2


def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    codes: list[Exit] = []
    try:
        with interruptible(codes.append):
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert codes == [Exit.TERMINATED]


def test_ctrl_c_while_a_call_waits_in_c_ends_a_process_at_once() -> None:
    """The call holds on to the process as pyarrow does, which waits for its requests when Python ends."""
    code = """
import atexit, os, signal, sys, threading, time
from sweeper.execution.signals import in_thread
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
atexit.register(time.sleep, 60)
threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
in_thread(lambda: time.sleep(60))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 130


def test_a_call_in_a_thread_returns_and_raises_what_the_call_does() -> None:
    assert in_thread(lambda: 3) == 3
    with pytest.raises(OSError, match="no answer"):
        in_thread(lambda: _raise(OSError("no answer")))
    for end in (SystemExit(3), KeyboardInterrupt(), GeneratorExit()):
        with pytest.raises(type(end)):
            in_thread(partial(_raise, end))


def _raise(error: BaseException) -> None:
    raise error
