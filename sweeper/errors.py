"""Every error a user can cause: what is wrong, what would be right, what to do, and the exit code."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes of every command (a contract: scripts and schedulers branch on them)."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CLAIM_FAILED = 3
    TRIALS_FAILED = 4
    BUDGET = 5
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file, an override or a setting.

    `where` is `file:line` or `command line`; `key` the dotted path; `found` and `allowed` are words for people.
    """

    message: str
    where: str = ""
    key: str = ""
    found: str = ""
    allowed: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.where, self.key) if part)
        lines = [f"{place}: {self.message}" if place else self.message]
        details = (("found", self.found), ("allowed", self.allowed), ("hint", self.hint))
        lines += [f"  {name}: {text}" for name, text in details if text]
        return "\n".join(lines)


def condensed(problems: Iterable[Problem], most: int = 2, shown: int = 8) -> list[Problem]:
    """The problems, merged into one where more than `most` keys have the same message; the order stays."""
    same: dict[str, list[Problem]] = {}
    for problem in problems:
        same.setdefault(problem.message, []).append(problem)
    short: list[Problem] = []
    for group in same.values():
        if len(group) <= most:
            short += group
            continue
        first, keys = group[0], [problem.key for problem in group]
        found = ", ".join(keys[:shown]) + (f" and {len(keys) - shown} more" if len(keys) > shown else "")
        hint = first.hint if all(problem.hint == first.hint for problem in group) else ""
        short.append(replace(first, key=f"{len(keys)} keys", found=found, hint=hint))
    return short


class SweeperError(Exception):
    """The root of everything raised on purpose; carries all problems at once and an exit code."""

    exit_code: Exit = Exit.USAGE

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: Sequence[Problem] = [p if isinstance(p, Problem) else Problem(p) for p in problems]
        super().__init__("\n".join(str(p) for p in self.problems))

    def then(self, text: str) -> SweeperError:
        """The same error with a last line on what to do next."""
        *others, last = self.problems
        return type(self)(*others, replace(last, hint=f"{last.hint}\n  {text}" if last.hint else text))


class LedgerWarning(UserWarning):
    """Something in a results folder that is not read; the rest is. `problem` describes it for people."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


class UsageError(SweeperError):
    """Wrong usage: a bad flag, a missing file, an unknown sweep, a device that is not there."""


class SpecError(SweeperError):
    """A sweep file, or an override of it, that cannot be honoured."""


class LedgerError(SweeperError):
    """A results folder that cannot be read, written or locked."""


class ScheduleError(SweeperError):
    """The machinery that runs trials broke (not a trial): Ray did not start, the cluster was lost."""

    exit_code = Exit.INTERNAL


class ProgramError(RuntimeError):
    """The program of a trial ended with an error, which is its own text: our frames are no part of it."""


class ContractError(TypeError):
    """A trainer did what has no meaning, or cannot be trained as it was asked to be; trying again would not help."""


def excerpt(value: Any, length: int = 60) -> str:
    """A value as an error message shows it: JSON, cut; what cannot be seen is escaped."""
    try:
        text = "".join(map(_visible, json.dumps(value, ensure_ascii=False)))
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def _visible(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def some_of(names: Sequence[str], limit: int = 12) -> str:
    """`a, b, c and 94 more`."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The three known names that are nearest, the nearest first; fewer, or none, where they are not near."""
    return difflib.get_close_matches(name[:200], known, n=3, cutoff=0.5)


def did_you_mean(name: str, known: list[str] | tuple[str, ...]) -> str:
    """`did you mean beta?`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name[:200], known, n=1, cutoff=0.6)
    if not near:
        last = {word.rsplit(".", 1)[-1]: word for word in known}
        near = [last[word] for word in difflib.get_close_matches(name[:200].rsplit(".", 1)[-1], last, n=1, cutoff=0.75)]
    return f"did you mean {near[0]}?" if near else ""
