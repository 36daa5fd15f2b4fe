"""The sizes of a task by its settings, without making it: P, T, the vocabularies, and how much is evaluated."""

from __future__ import annotations

import importlib
import math
from array import array
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from operator import sub
from pathlib import Path
from typing import NamedTuple

from sweeper.cvae.data.dataset import ARRAYS, dataset, vocabulary_of
from sweeper.cvae.task_config import DETOUR, FILE, OPERATORS, SORT, STYLE_TOKENS, SUM, TaskConfig

OUTCOMES = 4  # of a step of a sorting algorithm
MOST_TARGETS = 32  # of a prompt that are evaluated
MOST_PROMPTS = 2**31  # more than any task has
SUM_STRATEGIES = {"positional": 6, "mixed": 6, "all": 8}


class TaskSizes(NamedTuple):
    """Numbers of tokens; of prompts that there are to evaluate, and of examples of each (of files: on average)."""

    prompt_vocabulary: int
    prompt_length: int
    trace_vocabulary: int
    trace_length: int
    prompts: int
    examples_per_prompt: float
    knows_next_tokens: bool = True

    @property
    def positions(self) -> int:
        """J: what the router reads, prompt and trace."""
        return self.prompt_length + self.trace_length


def task_sizes(config: TaskConfig) -> TaskSizes:
    """The sizes of the task that ``config`` describes. Raises DataError for files that cannot be read."""
    found = _SIZES.get(config.name, _made)(config)
    if config.name in (FILE, SORT) or config.name not in _SIZES:
        return found
    styles = STYLE_TOKENS if config.nuisance_tokens else 0
    return found._replace(
        trace_vocabulary=found.trace_vocabulary + styles, trace_length=found.trace_length + config.nuisance_tokens
    )


def _made(config: TaskConfig) -> TaskSizes:
    """Those of a task that has no function here: it is made, which imports torch."""
    task = importlib.import_module("sweeper.cvae.tasks").make_task(config)
    evaluated = task.split(MOST_PROMPTS).reported_N
    few_N = evaluated[:32]
    return TaskSizes(
        len(task.prompt_vocabulary),
        task.prompt_length,
        len(task.trace_vocabulary),
        task.trace_length,
        len(evaluated),
        len(task.examples(few_N).prompt_B) / len(few_N),
        task.next_tokens(few_N) is not None,
    )


def _operator_order(config: TaskConfig) -> TaskSizes:
    modulus, count = config.modulus, config.operators
    return TaskSizes(
        modulus, 3, modulus + count + 1, 2 * count + 1, modulus**3 // 2, config.strategies or math.factorial(count)
    )


def _detour(config: TaskConfig) -> TaskSizes:
    strategies = config.strategies or min(6, config.modulus - 1)
    marked = config.reveal == "marker"
    vocabulary, prompts = config.modulus + 1 + strategies * marked, max(1, config.modulus**2 // 8)
    return TaskSizes(config.modulus, 2, vocabulary, 4 + marked, prompts, strategies)


def _ordered_sum(config: TaskConfig) -> TaskSizes:
    named = config.length if config.emit == "position" else 0
    strategies = config.strategies or SUM_STRATEGIES[config.mixture]
    prompts = min(32_768, math.perm(10, config.length)) // 2
    return TaskSizes(10, config.length, 11 + named, 2 * config.length + 1, prompts, strategies)


def _sort_trace(config: TaskConfig) -> TaskSizes:
    longest = config.longest
    steps = longest * (longest - 1) // 2 + longest - 1
    vocabulary, length = 10 + OUTCOMES + 2 + longest, 3 * steps + longest + 2
    return TaskSizes(11, longest, vocabulary, length, 8192, config.strategies or 6)


def _file(config: TaskConfig) -> TaskSizes:
    assert config.path is not None
    return _sizes_of(dataset(config.path, config.tokenizer))


@lru_cache(maxsize=16)
def _sizes_of(folder: Path) -> TaskSizes:
    (prompts, longest_prompt), (targets, longest_target) = (_lengths(folder, name) for name in ("prompt", "target"))
    per_prompt = min(float(MOST_TARGETS), targets / prompts)
    evaluated = (folder / "prompt_split").read_bytes().count(b"\1")  # an array of bytes: 1 is validation
    prompt_vocabulary, trace_vocabulary = (len(vocabulary_of(folder, name)) + 1 for name in ("prompt", "target"))
    return TaskSizes(  # + 1: padding, and the end
        prompt_vocabulary, longest_prompt, trace_vocabulary, longest_target + 1, evaluated, per_prompt, False
    )


def _lengths(folder: Path, name: str) -> tuple[int, int]:
    """How many sequences there are, and how long the longest is: of a million, without a list of all."""
    ends = array(ARRAYS[f"{name}_ends"])
    ends.frombytes((folder / f"{name}_ends").read_bytes())
    return len(ends), max(map(sub, ends, chain([0], ends)))


_SIZES: dict[str, Callable[[TaskConfig], TaskSizes]] = {
    OPERATORS: _operator_order,
    DETOUR: _detour,
    SUM: _ordered_sum,
    SORT: _sort_trace,
    FILE: _file,
}
