"""Groups of parameters that move together (`zip`): what makes a group impossible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweeper.errors import Problem
from sweeper.space import Parameter, no_list
from sweeper.wording import did_you_mean, excerpt


def zip_problems(groups: Sequence[Sequence[str]], parameters: Sequence[Parameter]) -> list[Problem]:
    """What is wrong with the groups; the key of a problem is `zip[INDEX]`, or below it a name."""
    known = {parameter.name: parameter for parameter in parameters}
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, group in enumerate(groups):
        problems += _names(f"zip[{index}]", group, known, seen)
        members = [known[name] for name in dict.fromkeys(group) if name in known]
        problems += _members(f"zip[{index}]", members)
        seen.update(group)
    return problems


def _names(key: str, group: Sequence[str], known: dict[str, Parameter], seen: set[str]) -> Iterator[Problem]:
    for name in dict.fromkeys(group):
        if name not in known:
            hint = did_you_mean(name, list(known))
            yield Problem("not a parameter that varies", "", key, excerpt(name), ", ".join(known), hint)
        if name in seen or list(group).count(name) > 1:
            yield Problem("a parameter moves with one group, once", "", key, excerpt(name))


def _members(key: str, members: Sequence[Parameter]) -> Iterator[Problem]:
    counts = {member.name: member.domain.count() for member in members}
    for member in members:
        if member.domain.count() is None:
            problem = no_list(member)
            yield Problem(problem.message, "", key, member.name, problem.allowed, problem.hint)
        if member.when is not None and set(member.when.names) & counts.keys():
            message = "parameters that move together cannot ask for one another"
            yield Problem(message, "", key, f"{member.name}: {member.when.text}")
    if None not in counts.values() and len(set(counts.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in counts.items())
        yield Problem("parameters that move together need equally many values", "", key, found)
