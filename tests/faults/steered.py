"""Steering under load: commands of every kind, damaged, stale, doubled and at the same time, and a run that goes on."""

from __future__ import annotations

import re
import subprocess
import time
import uuid
from dataclasses import replace
from pathlib import Path

from audit import Row, audit
from faults import Fault, Sweep
from subjects import Subject

from sweeper.ledger import commands, lock
from sweeper.ledger.commands import Command
from sweeper.ledger.history import read_history
from sweeper.ledger.paths import SweepDir

ANSWER_S = 10.0
MOST_ADDED = 2  # seeds
SEEDS = re.compile(r"^seeds: (\d+)", re.MULTILINE)
SLOWEST = [0.0]  # seconds until an answer, of all rows


def steered(runner: str) -> Fault:
    """`times` commands at random moments; after one that stops the run it goes on, stopped trials included."""

    def fault(folder: Path, times: int, subject: Subject) -> Row:
        sweep, wrong, done = Sweep(folder, subject, runner), "", 0
        code = 143
        while done < times and not wrong and code == 143:
            process = sweep.start_and_wait("--rerun", "stopped")
            while done < times and process.poll() is None and not wrong:
                wrong = _give(sweep, process)
                done += 1
                time.sleep(sweep.chance.uniform(0.0, 0.2))
            _drop(sweep, "resume")
            code = process.wait(120)
            wrong = wrong or sweep.wrong_after(code, 143)
        sweep.run("--rerun", "stopped")
        left = [path.name for path in SweepDir(folder / "results", "toy").commands.glob("*.json")]
        wrong = sweep.finish() or wrong or (f"commands left over: {left}" if left else "")
        return audit(done, folder, _grown(subject, _seeds(sweep)), wrong)

    return fault


def _seeds(sweep: Sweep) -> int:
    """How many seeds the sweep has by now."""
    added = read_history(SweepDir(sweep.folder / "results", "toy")).additions
    return max([int(one.settings["seeds"]) for one in added], default=_first_seeds(sweep.subject))


def _first_seeds(subject: Subject) -> int:
    match = SEEDS.search(subject.text)
    assert match is not None, "every subject has seeds"
    return int(match[1])


def _grown(subject: Subject, seeds: int) -> Subject:
    trials = subject.trials // _first_seeds(subject) * seeds
    return replace(subject, trials=trials, text=SEEDS.sub(f"seeds: {seeds}", subject.text))


def _give(sweep: Sweep, process: subprocess.Popen[bytes]) -> str:
    """A random command; returns what is wrong, or ""."""
    chance, place = sweep.chance, SweepDir(sweep.folder / "results", "toy")
    kind = chance.choice(("pause", "resume", "trial", "limits", "add", "damaged", "stale", "twice", "stop"))
    if kind == "damaged":
        place.commands.mkdir(exist_ok=True)
        (place.commands / f"{uuid.uuid4().hex}.json").write_bytes(chance.randbytes(chance.randrange(200)))
        return ""
    if kind == "trial":
        return _answered(sweep, process, _drop(sweep, "stop", trial=chance.choice(read_history(place).order)))
    if kind == "add":  # one too many is refused: the sweep has these trials already
        seeds = min(_seeds(sweep) + 1, _first_seeds(sweep.subject) + MOST_ADDED)
        return _answered(sweep, process, _drop(sweep, "add", settings={"seeds": str(seeds)}))
    if kind == "limits":
        return _answered(sweep, process, _drop(sweep, "set", settings={"budget.wall": f"{chance.randrange(1, 9)}h"}))
    first = _drop(sweep, "resume" if kind in ("stale", "twice") else kind, stale=kind == "stale")
    if first is not None and kind == "twice":  # the same once more, and the opposite at the same time
        _drop(sweep, "pause")
        commands.drop(place, first)
    return "" if kind == "stale" else _answered(sweep, process, first)


def _drop(sweep: Sweep, action: str, *, stale: bool = False, **fields: object) -> Command | None:
    place = SweepDir(sweep.folder / "results", "toy")
    if not (run := lock.holder(place.lock)):
        return None
    command = Command(uuid.uuid4().hex, run, time.time(), "fault", "", action)
    command = replace(command, run="another" if stale else run, **fields)  # type: ignore[arg-type]
    commands.drop(place, command)
    return command


def _answered(sweep: Sweep, process: subprocess.Popen[bytes], command: Command | None) -> str:
    place, began = SweepDir(sweep.folder / "results", "toy"), time.monotonic()
    while command is not None and process.poll() is None:
        if commands.answer_to(place, command.id) is not None:
            SLOWEST[0] = max(SLOWEST[0], time.monotonic() - began)
            commands.withdraw(place, command.id)
            return ""
        if time.monotonic() - began > ANSWER_S:
            return f"no answer to {command.text} within {ANSWER_S:.0f} s"
        time.sleep(0.01)
    return ""
