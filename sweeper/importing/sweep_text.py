"""The sweep file of an imported sweep: the values of its parameters, its goals, the claims of a file like it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from sweeper.errors import SpecError
from sweeper.importing.source import ImportChoice, ImportSource
from sweeper.importing.trials import ImportedTrial
from sweeper.spec import merge, writer
from sweeper.spec.document import Tree
from sweeper.spec.load import load_text
from sweeper.trial import Value

FEW = 20  # distinct numbers that are listed; of more, the least and the greatest are written
_OF_A_RUN = {"trainer", "tracking", "notify", "resources", "seeds", "budget", "retry", "abort", "checkpoints"}
_OF_A_RUN |= {"early_terminate", "program", "command", "project", "entity"}


def sweep_text(name: str, source: ImportSource, trials: Sequence[ImportedTrial], choice: ImportChoice) -> str:
    """The text of the file. Raises SpecError where that would be no valid sweep file, with the keys at fault."""
    description = f"imported from {source.kind}: {source.text}"
    if choice.like is not None:
        model = merge.layered(choice.like.source)[0].tree
        model = {key: value for key, value in model.items() if key not in _OF_A_RUN}
        tree, goals = {**model, "name": name, "description": description}, choice.goals
    else:
        tree, goals = {"name": name, "description": description, **_space(source, trials)}, source.goals
    if goals:
        listed = [{"name": metric, "goal": "maximize" if up else "minimize"} for metric, up in goals.items()]
        tree["metric"] = listed[0] if len(listed) == 1 else listed
    tree = {"name": tree.pop("name"), **tree}
    text = writer.dump(tree)
    try:
        load_text(text, choice.like.source if choice.like else Path("import.yaml"))
    except SpecError as error:
        where = str(choice.like.source) if choice.like else source.text
        raise SpecError(*(replace(problem, where=where) for problem in error.problems)) from None
    return text


def _space(source: ImportSource, trials: Sequence[ImportedTrial]) -> dict[str, Tree]:
    """`parameters` and `base`: the range that the source gives, else the values that were seen."""
    varied = dict.fromkeys(name for one in trials for name in one.trial.varied)
    base = trials[0].trial.base if trials else {}
    parameters = {name: _domain(name, source, trials) for name in varied}
    found: dict[str, Tree] = {"method": "random"}
    found |= {"parameters": parameters} if parameters else {}
    return found | ({"base": dict(base)} if base else {})


def _domain(name: str, source: ImportSource, trials: Sequence[ImportedTrial]) -> dict[str, Value]:
    if name in source.domains:
        return dict(source.domains[name])
    seen = {json.dumps(one.trial.varied[name]): one.trial.varied[name] for one in trials if name in one.trial.varied}
    numbers = [*_numbers(seen.values())]
    if len(numbers) < len(seen):
        return {"values": [*seen.values()]} if len(seen) > 1 else {"value": next(iter(seen.values()))}
    if len(numbers) <= FEW:
        return {"values": [*sorted(numbers)]}
    low, high = min(numbers), max(numbers)
    whole = all(isinstance(number, int) for number in numbers)
    bounds: dict[str, Value] = {"min": low if whole else float(low), "max": high if whole else float(high)}
    return bounds | ({"log": True} if _is_log(numbers) else {})


def _is_log(numbers: Sequence[float]) -> bool:
    """Whether the median lies nearer to the middle of the logarithms than to that of the numbers themselves."""
    low, middle, high = min(numbers), median(numbers), max(numbers)
    if low <= 0:
        return False
    off = abs(math.log(middle / low) / math.log(high / low) - 0.5)
    return off < abs((middle - low) / (high - low) - 0.5)


def _numbers(values: Iterable[Value]) -> Iterator[int | float]:
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield value
