"""The tasks: many ways to one answer."""

from __future__ import annotations

from collections.abc import Callable

from sweeper.cvae.config import TaskConfig
from sweeper.cvae.tasks.detour import detour
from sweeper.cvae.tasks.file import file_task
from sweeper.cvae.tasks.operator_order import operator_order
from sweeper.cvae.tasks.ordered_sum import ordered_sum
from sweeper.cvae.tasks.sort_trace import sort_trace
from sweeper.cvae.tasks.task import Batch, Task
from sweeper.cvae.tasks.variation import with_variation

__all__ = ["Batch", "Task", "make_task"]

_MAKERS = {"operator_order": operator_order, "detour": detour, "ordered_sum": ordered_sum}
_SAMPLED: dict[str, Callable[[TaskConfig], Task]] = {"sort_trace": sort_trace, "file": file_task}


def make_task(config: TaskConfig) -> Task:
    """The task that ``config`` describes, with the number of strategies asked for and its style tokens."""
    if config.name in _SAMPLED:
        return _SAMPLED[config.name](config)
    return with_variation(_MAKERS[config.name](config), config)
