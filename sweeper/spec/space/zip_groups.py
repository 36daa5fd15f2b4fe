"""Groups of parameters that move together (`zip`): which members vary, and what makes a group impossible.

A member that is fixed (in `base`, or on the command line) leaves its group; a group of which nothing varies, as in a
file whose parameters come from elsewhere, has no effect. Both are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweeper.errors import Problem, did_you_mean, excerpt
from sweeper.spec.space.space import Parameter, no_list
from sweeper.trial import Params


@dataclass(frozen=True, slots=True)
class Zips:
    """The groups that hold, what is wrong with the others, and what has no effect."""

    groups: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def zipped(written: Sequence[Sequence[str]], parameters: Sequence[Parameter], fixed: Params) -> Zips:
    """Judges the groups as written; the key of a problem is `zip[INDEX]`."""
    known = {parameter.name: parameter for parameter in parameters}
    groups: list[tuple[str, ...]] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    seen: set[str] = set()
    for index, names in enumerate(written):
        key = f"zip[{index}]"
        varying = [name for name in names if name in known]
        idle = [name for name in names if name not in known and (name in fixed or not varying)]
        wrong = [*_names(key, [name for name in names if name not in idle], known, seen)]
        wrong += _members(key, [known[name] for name in dict.fromkeys(varying)])
        problems += wrong
        warnings += [_idle(key, name, known) for name in dict.fromkeys(idle)]
        seen.update(varying)
        if len(varying) > 1 and not wrong:
            groups.append(tuple(varying))
    return Zips(tuple(groups), tuple(problems), tuple(warnings))


def _names(key: str, names: Sequence[str], known: dict[str, Parameter], seen: set[str]) -> Iterator[Problem]:
    for name in dict.fromkeys(names):
        if name not in known:
            hint = did_you_mean(name, list(known))
            yield Problem("not a parameter that varies", "", key, excerpt(name), ", ".join(known), hint)
        if name in seen or list(names).count(name) > 1:
            yield Problem("a parameter moves with one group, once", "", key, excerpt(name))


def _members(key: str, members: Sequence[Parameter]) -> Iterator[Problem]:
    counts = {member.name: member.domain.count() for member in members}
    for member in members:
        if member.domain.count() is None:
            problem = no_list(member)
            yield Problem(problem.message, "", key, member.name, problem.allowed, problem.hint)
        if member.when is not None and set(member.when.names) & counts.keys():
            message = "parameters of one zip group cannot depend on each other"
            yield Problem(message, "", key, f"{member.name}: {member.when.text}")
    if None not in counts.values() and len(set(counts.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in counts.items())
        yield Problem("parameters that move together need equally many values", "", key, found)


def _idle(key: str, name: str, known: dict[str, Parameter]) -> Problem:
    hint = did_you_mean(name, list(known))
    return Problem("no effect: this is not a parameter that varies", "", key, excerpt(name), hint=hint)
