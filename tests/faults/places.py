"""Faults of what lies around a run: a damaged or converted ledger, a moved folder, closed streams, a long TMPDIR.

Each stops a run with SIGTERM at a random moment, does its damage, and goes on with the same command.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from pathlib import Path

from audit import Row, audit
from faults import Fault, Sweep
from subjects import Subject

Damage = Callable[[Sweep], str]  # returns what is wrong already, or ""


def between_runs(damage: Damage, runner: str = "inprocess") -> Fault:
    """SIGTERM, then the damage, `times` times; then the sweep is finished."""

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        sweep, wrong = Sweep(folder, subject, runner), ""
        for _ in range(times):
            wrong = stopped(sweep) or damage(sweep) or wrong
        return audit(times, folder, subject, sweep.finish() or wrong)

    return fault


def stopped(sweep: Sweep) -> str:
    """Run it, and end it with SIGTERM at a random moment; returns what is wrong, or ""."""
    process = sweep.start_and_wait()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    return sweep.wrong_after(process.wait(90), 143)


def damaged_line(kind: str) -> Damage:
    """One flipped bit in a random line of this kind; `status` must mention it."""

    def damage(sweep: Sweep) -> str:
        lines = sweep.ledger.read_bytes().splitlines(keepends=True)
        where = sweep.chance.choice(
            [n for n, line in enumerate(lines) if line.startswith(b'{"e":"%s"' % kind.encode())]
        )
        line = bytearray(lines[where])
        line[sweep.chance.randrange(15, len(line) - 1)] ^= 1
        sweep.ledger.write_bytes(b"".join([*lines[:where], bytes(line), *lines[where + 1 :]]))
        before = sweep.said.stat().st_size
        with sweep.call("status", "toy") as process:
            process.wait(60)
        return "" if b"damaged" in sweep.said.read_bytes()[before:] else "status does not mention the damaged line"

    return damage


def crlf(sweep: Sweep) -> str:
    """Line ends as an editor or git on Windows leaves them."""
    for path in (sweep.ledger, sweep.ledger.with_name("curves.jsonl")):
        if path.exists():
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return ""


def moved_folder(folder: Path, times: int, subject: Subject) -> Row:
    """The results folder is renamed between runs, and at last lies where it began."""
    sweep, wrong = Sweep(folder, subject), ""
    names = [f"results-{number}" for number in range(times)] + ["results"]
    for here, there in itertools.pairwise(names):
        sweep.results = here
        wrong = stopped(sweep) or wrong
        (folder / here).rename(folder / there)
    sweep.results = "results"
    wrong = sweep.finish() or wrong
    made_again = [name for name in names[:-1] if (folder / name).exists()]
    return audit(times, folder, subject, wrong or (f"there again: {', '.join(made_again)}" if made_again else ""))


def closed_streams(folder: Path, times: int, subject: Subject) -> Row:
    """Standard output and error closed from the start, as `>&- 2>&-` does, and a SIGTERM at a random moment."""
    sweep, wrong = Sweep(folder, subject, closed=True), ""
    sweep.said.touch()
    for _ in range(times):
        process = sweep.start_and_wait()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        wrong = sweep.wrong_after(process.wait(90), 143, is_seen=False) or wrong
    return audit(times, folder, subject, sweep.finish() or wrong)


def long_tmpdir(folder: Path, times: int, subject: Subject) -> Row:
    """A TMPDIR of over 200 characters, too long for the sockets of Ray; a SIGTERM at a random moment."""
    place = folder / ("t" * max(1, 200 - len(str(folder))))
    place.mkdir()
    sweep, wrong = Sweep(folder, subject, "ray", env={"TMPDIR": str(place)}), ""
    for _ in range(times):
        wrong = stopped(sweep) or wrong
    wrong = sweep.finish() or wrong
    left = sorted(path.name for path in place.iterdir() if "ray" in path.name)
    return audit(times, folder, subject, wrong or (f"left over in TMPDIR: {left}" if left else ""))
