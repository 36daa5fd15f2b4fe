"""Commands to the driver of a sweep, from another terminal or node: files in `RESULTS/NAME/commands`, written whole.

    commands/ID.json      a command; its driver removes it once the answer is there
    commands/ID.answer    the answer; removed by who asked

A command is for one run: a driver that took the sweep up later does not obey it. Whatever else lies in the folder is
not read.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from sweeper.ledger import regular_file
from sweeper.ledger.atomic import replace_file
from sweeper.ledger.paths import SweepDir

MAX_BYTES = 65_536
ACTIONS = ("stop", "pause", "resume", "set", "add")
_NAME = re.compile(r"([0-9a-f]{32})\.json")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks of a running sweep.

    `run` is the text of the lock that its driver holds, `at` seconds since the epoch. `action` is one of ACTIONS;
    `stop` is of the trial with the key `trial`, of those for which `where` holds, or of the whole run.
    """

    id: str
    run: str
    at: float
    who: str
    reason: str
    action: str
    trial: str = ""
    where: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """As it was typed: `stop --where "x > 2"`."""
        parts = [f"--trial {self.trial}"] if self.trial else []
        parts += [f'--where "{self.where}"'] if self.where else []
        return " ".join([self.action, *parts, *(f"{key}={value}" for key, value in self.settings.items())])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the driver made of a command; `trials` are the keys of those that it stops."""

    accepted: bool
    text: str
    trials: tuple[str, ...] = ()


def drop(sweep: SweepDir, command: Command) -> None:
    """Hand a command to the driver. Raises LedgerError where the folder cannot be written."""
    place = sweep.commands
    with contextlib.suppress(OSError):  # writing the file then fails with the reason
        place.mkdir(exist_ok=True)
    replace_file(place / f"{command.id}.json", json.dumps(asdict(command)))


def withdraw(sweep: SweepDir, name: str) -> None:
    """Take back what was asked, and the answer, if they are still there."""
    for path in (sweep.commands / f"{name}.json", sweep.commands / f"{name}.answer"):
        path.unlink(missing_ok=True)


def answer_to(sweep: SweepDir, name: str) -> Answer | None:
    """The answer to a command; None until there is one."""
    return _read(sweep.commands / f"{name}.answer", _answer)


def answer(sweep: SweepDir, name: str, given: Answer) -> None:
    """Answer a command and remove it: killed in between, it belongs to a run that is gone. Raises LedgerError."""
    replace_file(sweep.commands / f"{name}.answer", json.dumps(asdict(given)))
    discard(sweep, name)


def discard(sweep: SweepDir, name: str) -> None:
    """Remove a command without an answer."""
    with contextlib.suppress(OSError):
        (sweep.commands / f"{name}.json").unlink(missing_ok=True)


def waiting(sweep: SweepDir) -> list[tuple[str, Command | None]]:
    """The commands in the folder by their ids, in the order in which they were given; None for a damaged one."""
    names = sorted(match[1] for name in _names(sweep) if (match := _NAME.fullmatch(name)))
    found = [(name, _read(sweep.commands / f"{name}.json", _command)) for name in names]
    whole = [(name, one if one is not None and one.id == name else None) for name, one in found]
    return sorted(whole, key=lambda pair: pair[1].at if pair[1] else 0.0)


def clear(sweep: SweepDir) -> None:
    """Remove what earlier runs left: answers that were not fetched, and files that were never finished."""
    for name in _names(sweep):
        if name.endswith((".answer", ".part")):
            with contextlib.suppress(OSError):
                (sweep.commands / name).unlink()


def _names(sweep: SweepDir) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from [path.name for path in sweep.commands.iterdir()]


def _read(path: Path, make: Callable[[dict[str, object]], T]) -> T | None:
    """A small regular file of JSON; None where it is none, or a link."""
    try:
        return make(json.loads(regular_file.read(path, MAX_BYTES, follow_link=False)))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def _command(entry: dict[str, object]) -> Command:
    settings = entry.pop("settings", {})
    if not isinstance(settings, dict) or not _is_text(*settings, *settings.values()):
        raise TypeError("settings")
    at = entry.pop("at")
    if not isinstance(at, int | float) or not _is_text(*entry.values()) or entry["action"] not in ACTIONS:
        raise TypeError("not a command")
    return Command(at=float(at), settings=settings, **entry)  # type: ignore[arg-type]


def _answer(entry: dict[str, object]) -> Answer:
    trials = entry.get("trials", ())
    if not isinstance(trials, list) or not _is_text(entry["text"], *trials):
        raise TypeError("not an answer")
    return Answer(entry["accepted"] is True, str(entry["text"]), tuple(trials))


def _is_text(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)
